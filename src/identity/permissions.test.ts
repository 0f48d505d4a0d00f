import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Permissions, type Grant } from './permissions.ts'
import { Places } from './places.ts'

const NOTHING: Grant = {
  agents: [],
  groups: [],
  upstreams: [],
  methods: undefined,
  paths: undefined,
  publish: [],
  subscribe: [],
  readState: [],
  writeState: [],
  createTasks: [],
  claimTasks: [],
  readTasks: [],
  decideTasks: [],
  writeSchemas: [],
  priority: undefined,
  concurrency: Infinity,
}
const grant = (given: Partial<Grant>): Grant => ({ ...NOTHING, ...given })
const permissions = (
  grants: readonly Grant[],
  unlisted: 'deny' | 'allow' = 'deny',
  groups = {},
): Permissions => new Permissions({ grants, unlisted, groups })

function isLike(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.replace('*', '.*')}$`).test(text)
}

describe('a call', () => {
  it('needs one grant that allows all of it', () => {
    const all = permissions([
      grant({ agents: ['kyc'], upstreams: ['a'], methods: ['GET'] }),
      grant({ agents: ['kyc'], upstreams: ['b'], paths: ['/v1/**'] }),
    ]).of('kyc')
    expect(all.ofCall('a', 'GET', '/any')).toEqual({ priority: 'critical', concurrency: Infinity })
    expect(all.ofCall('b', 'POST', '/v1/x')).toEqual({ priority: 'critical', concurrency: Infinity })
    // Not the method of one and the upstream of the other.
    expect(all.ofCall('a', 'POST', '/v1/x')).toBe('method')
    expect(all.ofCall('b', 'GET', '/v2')).toBe('path')
    expect(all.ofCall('c', 'GET', '/any')).toBe('upstream')
  })

  it('of an agent that no grant names is refused, or allowed where that is said', () => {
    const grants = [grant({ agents: ['kyc'], upstreams: ['*'] })]
    expect(permissions(grants).of('other').ofCall('a', 'GET', '/')).toBe('unlisted')
    expect(permissions(grants, 'allow').of('other').ofCall('a', 'GET', '/')).toMatchObject({
      concurrency: Infinity,
    })
    // Whoever is named has what is given and nothing else.
    expect(
      permissions([grant({ agents: ['kyc'], upstreams: ['a'] })], 'allow')
        .of('kyc')
        .ofCall('b', 'GET', '/'),
    ).toBe('upstream')
  })

  it('has the bounds of the first grant that fits', () => {
    const all = permissions([
      grant({ agents: ['kyc'], upstreams: ['a'], paths: ['/cheap'], priority: 'batch', concurrency: 2 }),
      grant({ agents: ['kyc*'], upstreams: ['a'], priority: 'interactive' }),
    ]).of('kyc')
    expect(all.ofCall('a', 'GET', '/cheap')).toEqual({ priority: 'batch', concurrency: 2 })
    expect(all.ofCall('a', 'GET', '/dear')).toEqual({ priority: 'interactive', concurrency: Infinity })
  })

  it('of whoever shows nothing needs a grant for anonymous: a star is for those who are known', () => {
    const star = permissions([grant({ agents: ['*'], upstreams: ['*'] })])
    expect(star.of('').ofCall('a', 'GET', '/')).toBe('unlisted')
    expect(star.of('any').ofCall('a', 'GET', '/')).toMatchObject({ priority: 'critical' })
    const open = permissions([grant({ groups: ['anonymous'], upstreams: ['a'] })])
    expect(open.of('').ofCall('a', 'GET', '/')).toMatchObject({ priority: 'critical' })
    expect(open.of('anonymous').ofCall('a', 'GET', '/')).toBe('unlisted')
  })

  it('is decided as by a plain reading of the grants', () => {
    const name = fc.constantFrom('a', 'ab', 'b', 'a*', '*', '*b')
    const some = fc.array(name, { minLength: 1, maxLength: 3 })
    const made = fc.record({ agents: some, upstreams: some, methods: fc.option(some, { nil: undefined }) })
    const plain = fc.constantFrom('a', 'ab', 'b', 'c')
    fc.assert(
      fc.property(
        fc.array(made, { maxLength: 4 }),
        plain,
        plain,
        plain,
        (grants, agent, upstream, method) => {
          const isAllowed = grants.some(
            (one) =>
              one.agents.some((pattern) => isLike(pattern, agent)) &&
              one.upstreams.some((pattern) => isLike(pattern, upstream)) &&
              (one.methods?.some((pattern) => isLike(pattern, method)) ?? true),
          )
          const found = permissions(grants.map(grant)).of(agent).ofCall(upstream, method, '/')
          expect(typeof found !== 'string').toBe(isAllowed)
        },
      ),
    )
  })
})

describe('an action of the commons', () => {
  const all = permissions([
    grant({
      agents: ['kyc'],
      publish: ['order.*'],
      subscribe: ['order.*', 'weir.condition.changed'],
      readState: ['drafts/', 'plan'],
      writeState: ['drafts/kyc/'],
      claimTasks: ['review'],
      writeSchemas: ['event/order.*'],
    }),
  ])
  const may = (action: string, on: string): boolean => all.of('kyc').ofAction(action, on)

  it('is allowed by what its grants name', () => {
    expect(may('event.publish', 'order.created')).toBe(true)
    expect(may('event.publish', 'weir.condition.changed')).toBe(false)
    expect(may('state.read', 'drafts/ann/1')).toBe(true)
    expect(may('state.read', 'planned')).toBe(true)
    expect(may('state.write', 'drafts/ann/1')).toBe(false)
    expect(may('state.write', 'drafts/kyc/1')).toBe(true)
    expect(may('task.claim', 'review')).toBe(true)
    expect(may('task.create', 'review')).toBe(false)
    expect(may('task.decide', 'review')).toBe(false)
    expect(may('schema.write', 'event/order.created')).toBe(true)
    expect(may('schema.write', 'state/drafts/')).toBe(false)
    expect(may('no.such.action', 'x')).toBe(false)
  })

  it('on several things or a pattern needs all that it could mean', () => {
    expect(may('event.subscribe', 'order.created weir.condition.changed')).toBe(true)
    expect(may('event.subscribe', 'order.created weir.other')).toBe(false)
    expect(may('event.subscribe', 'order.*')).toBe(true)
    expect(may('event.subscribe', 'order.x*')).toBe(true)
    expect(may('event.subscribe', 'ord*')).toBe(false)
    expect(may('event.subscribe', '*')).toBe(false)
    expect(may('state.read', 'draft')).toBe(false)
    expect(may('state.read', '')).toBe(false)
  })

  it('that only asks who is there is for everybody who may do something', () => {
    for (const action of ['agent.read', 'agent.register', 'upstream.read', 'schema.read']) {
      expect([
        may(action, 'x'),
        all.of('other').ofAction(action, 'x'),
        all.of('').ofAction(action, 'x'),
      ]).toEqual([true, false, false])
    }
  })
})

it('names an agent that a grant or a group means, not one that a bare star covers', () => {
  const all = permissions([grant({ agents: ['kyc', 'team-*', '*'] })], 'deny', { g: ['lead'] })
  expect(['kyc', 'team-a', 'lead', 'other', ''].map((name) => all.names(name))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
  expect(permissions([grant({ agents: ['*'] })]).names('kyc')).toBe(false)
})

it('gives places up to the bound, each back once, and remembers nobody who has none', () => {
  const places = new Places()
  const first = places.take('kyc', 2)
  const second = places.take('kyc', 2)
  expect(places.take('kyc', 2)).toBeUndefined()
  expect(places.take('other', 1)).toBeDefined()
  first?.leave()
  // A bound that has become smaller counts from the next call on.
  expect(places.take('kyc', 1)).toBeUndefined()
  second?.leave()
  expect(places.agents).toBe(1)
  expect(places.take('kyc', 1)).toBeDefined()
})
