/** Each alert of the chart is played by promtool (`test/helm/rules.yaml`): it fires in one story, and not in the healthy one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert?: string; readonly annotations?: object }[]
  }[]
}
interface Plays {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string
      readonly exp_alerts?: readonly object[]
    }[]
  }[]
}

const RULES = parse(
  readFileSync(join(import.meta.dirname, '../../helm/weir/files/rules.yaml'), 'utf8'),
) as Rules
const PLAYS = parse(readFileSync(join(import.meta.dirname, 'rules.yaml'), 'utf8')) as Plays
const ALERTS = RULES.groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined)

it.each(ALERTS.map(({ alert }) => alert))('%s fires in a story and is silent in the healthy one', (name) => {
  const [healthy, ...stories] = PLAYS.tests.map((test) =>
    test.alert_rule_test.filter(({ alertname }) => alertname === name),
  )
  expect(healthy).toEqual([{ eval_time: '20m', alertname: name }])
  expect(stories.flat().some(({ exp_alerts: fired = [] }) => fired.length > 0)).toBe(true)
})

it('every alert says what is the matter, and what to think of it', () => {
  for (const { annotations } of ALERTS)
    expect(Object.keys(annotations ?? {}).toSorted()).toEqual(['description', 'summary'])
  expect(ALERTS.length).toBeGreaterThan(10)
})
