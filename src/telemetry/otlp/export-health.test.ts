import { describe, expect, it } from 'vitest'
import { createLog } from '../log.ts'
import { ExportHealth } from './export-health.ts'
import { exportOnce } from './export-once.ts'

describe('the health of exports', () => {
  it('counts everything, and writes one line in 10 s whatever fails', () => {
    const lines: string[] = []
    let now = 0
    const sink = { write: (line: string) => void lines.push(line) }
    const health = new ExportHealth(createLog({ level: 'info', access: false, clock: () => now, sink }))
    for (let second = 0; second < 25; second += 1) {
      now = second * 1000
      health.fail('traces', Object.assign(new Error('key sk-1 refused'), { code: 401 }))
      health.fail('metrics', new Error('no'))
      health.lost(3, 'queue-full')
      health.lost(2, 'export-failed')
      health.lost(0, 'shutdown')
    }
    expect(health.failed).toEqual({ traces: 25, metrics: 25 })
    expect(health.dropped).toEqual({ 'queue-full': 75, 'export-failed': 50, shutdown: 0 })
    expect(lines).toHaveLength(3)
    expect(JSON.parse(lines[0]!)).toMatchObject({ signal: 'traces', error: 'Error', status: 401 })
    expect(lines.join('')).not.toContain('sk-1')
  })
})

describe('one export', () => {
  it('fails at its deadline when the collector says nothing, and by its own words before', async () => {
    await expect(exportOnce({ export: () => {} }, [], 5)).rejects.toMatchObject({ name: 'ExportTimeout' })
    const refused = new Error('refused')
    await expect(
      exportOnce({ export: (_items, done) => done({ code: 1, error: refused }) }, [], 5000),
    ).rejects.toBe(refused)
    await expect(exportOnce({ export: (_items, done) => done({ code: 0 }) }, [], 5000)).resolves.toBe(
      undefined,
    )
  })
})
