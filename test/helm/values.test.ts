/** `values.schema.json` takes the chart's own values and refuses mistakes, each at its place. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { configFile } from '../../src/config-schema.ts'

const CHART = join(import.meta.dirname, '..', '..', 'helm', 'weir')
const REFUSED = join(import.meta.dirname, 'refused')

type Tree = { readonly [key: string]: unknown }

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readTree(file: string): Tree {
  const value: unknown = parse(readFileSync(file, 'utf8'))
  if (!isTree(value)) throw new Error(`${file} is not a map`)
  return value
}

/** As Helm lays values over the chart's own: maps are merged, everything else is replaced. */
function over(base: Tree, top: Tree): Tree {
  const merged = Object.entries(top).map(([key, value]) => {
    const below = base[key]
    return [key, isTree(below) && isTree(value) ? over(below, value) : value] as const
  })
  return { ...base, ...Object.fromEntries(merged) }
}

const OWN = readTree(join(CHART, 'values.yaml'))
const SCHEMA_TEXT = readFileSync(join(CHART, 'values.schema.json'), 'utf8')
const SCHEMA = z.fromJSONSchema(JSON.parse(SCHEMA_TEXT) as z.core.JSONSchema.BaseSchema)

function problems(values: Tree): string[] {
  const result = SCHEMA.safeParse(over(OWN, values))
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}

describe('values.schema.json', () => {
  it.each(readdirSync(join(CHART, 'ci')))('takes ci/%s', (file) => {
    expect(problems(readTree(join(CHART, 'ci', file)))).toEqual([])
  })

  it.each(readdirSync(REFUSED).filter((file) => file.startsWith('schema-')))('refuses %s', (file) => {
    const says = /^# says: (.+)$/m.exec(readFileSync(join(REFUSED, file), 'utf8'))?.[1] ?? 'no such line'
    const found = problems(readTree(join(REFUSED, file)))
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(says)
  })

  // The templates have the last word on these, so the schema must let them through, or nothing would test the words.
  it.each(readdirSync(REFUSED).filter((file) => !file.startsWith('schema-')))(
    'leaves %s to the templates',
    (file) => {
      expect(problems(readTree(join(REFUSED, file)))).toEqual([])
    },
  )

  it('knows every value of the chart, and no other', () => {
    const keys = Object.keys((JSON.parse(SCHEMA_TEXT) as { properties: object }).properties)
    expect(keys.filter((key) => key !== 'global').toSorted()).toEqual(Object.keys(OWN).toSorted())
  })

  it('lets `config` say what weir.yaml can say and the chart does not say itself', () => {
    const schema = JSON.parse(SCHEMA_TEXT) as { properties: { config: { properties: object } } }
    const written = ['listen', 'auth', 'permissions', 'operator', 'upstreams', 'policies', 'drain']
    const left = Object.keys(configFile.shape).filter((key) => !written.includes(key))
    expect(Object.keys(schema.properties.config.properties).toSorted()).toEqual(left.toSorted())
  })

  it('has the files of the tests named after what they are', () => {
    for (const file of readdirSync(REFUSED)) expect(basename(file)).toMatch(/^[a-z-]+\.yaml$/)
  })
})
