import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agentClass } from '../core/observe/agent-class.ts'
import { createShownNames } from './hash-ids.ts'

const KEY = Buffer.alloc(32, 9)
const hashed = createShownNames({ key: KEY, hashIds: true, paths: false })
const name = fc.stringMatching(/^[A-Za-z0-9._:-]{1,40}$/)

describe('names in a journal', () => {
  it('stay as they are unless they are to be hashed', () => {
    const plain = createShownNames({ key: KEY, hashIds: false, paths: false })
    expect(plain.name('worker-17')).toBe('worker-17')
    expect(hashed.name('worker-17')).toMatch(/^[g-v]{8}-0[0-9a-f]{11}$/)
    expect(hashed.name('planner')).toMatch(/^[g-v]{8}$/)
  })

  it('have the same hash with the same key, and another with another', () => {
    const same = createShownNames({ key: KEY, hashIds: true, paths: false })
    const other = createShownNames({ key: Buffer.alloc(32, 8), hashIds: true, paths: false })
    expect(same.name('worker-17')).toBe(hashed.name('worker-17'))
    expect(other.name('worker-17')).not.toBe(hashed.name('worker-17'))
  })

  it('keep their class when they are hashed, and are told apart as before', () => {
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(hashed.name(one) === hashed.name(other)).toBe(one === other)
        const shown = agentClass(hashed.name(one)) === agentClass(hashed.name(other))
        expect(shown).toBe(agentClass(one) === agentClass(other))
      }),
    )
    expect(agentClass(hashed.name('worker-17'))).toBe(agentClass(hashed.name('worker-4')))
    expect(agentClass(hashed.name('worker-17'))).not.toBe(agentClass(hashed.name('worker')))
  })

  it('are remembered in bounded memory, and are the same when they were forgotten', () => {
    const first = hashed.name('agent-0')
    for (let n = 1; n < 40_000; n++) hashed.name(`agent-${n}`)
    expect(hashed.name('agent-0')).toBe(first)
  })
})

describe('routes in a journal', () => {
  it('show the words of an API, and a hash of what may be more than that', () => {
    expect(hashed.route('/v1/chat/completions')).toBe('/v1/chat/completions')
    expect(hashed.route('/v1/threads/*/runs')).toBe('/v1/threads/*/runs')
    expect(hashed.route('/v1/models/gpt-4o')).toMatch(/^\/v1\/models\/~[0-9a-f]{8}$/)
    expect(hashed.route('/v1/models/gpt-4o')).not.toBe(hashed.route('/v1/models/gpt-4.1'))
  })

  it('are shown as they are when paths are kept', () => {
    const kept = createShownNames({ key: KEY, hashIds: true, paths: true })
    expect(kept.route('/v1/models/gpt-4o')).toBe('/v1/models/gpt-4o')
  })
})
