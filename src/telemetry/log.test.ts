import { describe, expect, it } from 'vitest'
import { createLog, errorFields } from './log.ts'
import type { AccessFields, Log, LogLevel } from './log.ts'

function capture(
  level: LogLevel = 'info',
  access = false,
): { log: Log; lines: any[]; move: (ms: number) => void } {
  const lines: any[] = []
  let now = 0
  const sink = { write: (line: string): void => void lines.push(JSON.parse(line)) }
  const log = createLog({ level, access, clock: () => now, sink })
  return { log, lines, move: (ms) => void (now += ms) }
}

describe('the log', () => {
  it('writes one JSON line per event, with its level as a word', () => {
    const { log, lines } = capture()
    log.info({ port: 8080 }, 'listening')
    expect(lines).toMatchObject([{ level: 'info', port: 8080, msg: 'listening' }])
    expect(lines[0]).not.toHaveProperty('hostname')
  })

  it('leaves out what is below its level', () => {
    const { log, lines } = capture('warn')
    log.debug({}, 'a')
    log.info({}, 'b')
    log.warn({}, 'c')
    log.error({}, 'd')
    expect(lines.map(({ msg }) => msg)).toEqual(['c', 'd'])
  })

  it('says a kind of warning once in 10 s and then how many were left out', () => {
    const { log, lines, move } = capture()
    for (let n = 0; n < 1000; n += 1) log.limited('warn', 'board', { n }, 'board unreachable')
    log.limited('warn', 'disk', {}, 'disk slow')
    move(9999)
    log.limited('warn', 'board', {}, 'board unreachable')
    expect(lines).toHaveLength(2)
    move(1)
    log.limited('warn', 'board', {}, 'board unreachable')
    expect(lines).toHaveLength(3)
    expect(lines[2]).toMatchObject({ kind: 'board', repeated: 1000 })
  })

  it('writes access lines only when asked, and only allowed fields', () => {
    const secret = 'sk-canary'
    const sneaked: AccessFields = { call: 'c1', status: 200 }
    Object.assign(sneaked, { headers: secret, url: secret, body: secret })
    const quiet = capture()
    quiet.log.access(sneaked)
    expect(quiet.lines).toEqual([])
    const { log, lines } = capture('info', true)
    log.access(sneaked)
    expect(lines).toMatchObject([{ msg: 'call', call: 'c1', status: 200 }])
    expect(JSON.stringify(lines)).not.toContain(secret)
  })

  it('says of an error only its code and name', () => {
    const error = Object.assign(new TypeError('bad header authorization: sk-canary'), { code: 'UND_ERR_X' })
    expect(errorFields(error)).toEqual({ error: 'TypeError', code: 'UND_ERR_X' })
    expect(errorFields('sk-canary')).toEqual({ error: 'string' })
  })
})
