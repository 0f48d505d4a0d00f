/** The run itself, short, so that it does not rot; long ones are `npm run chaos`. */
import { expect, test } from 'vitest'
import { runChaos } from './chaos.ts'
import { chaosText } from './chaos-text.ts'

test('a short chaos run breaks no promise', { timeout: 120_000 }, async () => {
  const report = await runChaos({ minutes: 0.2, seed: 4, workers: 6 })
  expect(report.violations).toEqual([])
  expect(report.mostTimes).toBe(1)
  expect(report.overBoundMs).toBe(0)
  expect(report.endings['whole']).toBeGreaterThan(30)
  expect(chaosText(report)).toContain('violations   0')
})
