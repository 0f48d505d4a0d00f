import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { startPlanners } from './planners.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('planners', () => {
  test('send leads, and leads send researchers, each naming its parent and the workflow', async () => {
    const seen: { agent: string; parent: string; workflow: string }[] = []
    const server = createServer((request, response) => {
      const [, agent = ''] = (request.url ?? '').split('/')
      const word = (name: string): string => String(request.headers[name] ?? '')
      seen.push({ agent, parent: word('x-parent-session-id'), workflow: word('weir-workflow') })
      response.end('{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const planners = startPlanners((agent) => `http://127.0.0.1:${port}/${agent}`)
    vi.advanceTimersByTime(4100)
    await vi.waitFor(() => expect(seen.length).toBe(9))
    planners.stop()
    vi.advanceTimersByTime(60_000)
    await new Promise<void>((resolve) => server.close(() => resolve()))
    expect(seen[0]).toEqual({ agent: 'planner-1', parent: '', workflow: 'planner-1-run-1' })
    expect(seen.filter(({ parent }) => parent === 'planner-1').length).toBe(2)
    expect(seen.filter(({ parent }) => parent.startsWith('lead-')).length).toBe(6)
    expect(new Set(seen.map(({ workflow }) => workflow)).size).toBe(1)
  })
})
