import { describe, expect, it } from 'vitest'
import { compilePolicy } from './compile.ts'
import { parsePolicy } from './load.ts'
import { formatProblem } from './problems.ts'

const UPSTREAMS = ['openai', 'idp']

const holding = (max: string): string => `upstreams: { idp: { hold: { max: ${max} } } }`
const about = (name: string): string =>
  `rules: [{ name: r, match: { upstream: ${name} }, then: { do: hold } }]`
const deferring = (mode: string): string => `rules: [{ name: r, mode: ${mode}, then: { do: defer } }]`

function compile(
  files: Readonly<Record<string, string>>,
  upstreams: readonly string[] | 'unknown' = UPSTREAMS,
) {
  const read = Object.entries(files).map(([name, text]) => {
    const { file, problems } = parsePolicy(`${name}.yaml`, `version: 1\n${text}`)
    if (file === undefined) throw new Error(problems.map(formatProblem).join('\n'))
    return file
  })
  return compilePolicy(read, { upstreams: upstreams === 'unknown' ? undefined : upstreams, deferral: false })
}

function policyOf(files: Readonly<Record<string, string>>) {
  const compiled = compile(files)
  if (!compiled.ok) throw new Error(compiled.problems.map(formatProblem).join('\n'))
  return compiled.policy
}

function refusal(files: Readonly<Record<string, string>>): string {
  const compiled = compile(files)
  return compiled.ok ? 'accepted' : compiled.problems.map(formatProblem).join('\n')
}

describe('compilePolicy', () => {
  it('fills in every default from the schema', () => {
    const { upstreams, workflow, rules } = policyOf({})
    expect(rules).toEqual([])
    expect(workflow).toEqual({ width: 8, calls: 20, hardCalls: 500, loopCalls: 20, ttlMs: 900_000 })
    expect(upstreams[1]).toEqual({
      drift: {
        allowance: 0.25,
        slowAlarm: 20,
        fastAlarm: 25,
        slowEffect: 1.25,
        fastEffect: 0.8,
        errorAlarm: 11.5,
        warmUpSamples: 200,
        warmUpMs: 60_000,
        clearMs: 30_000,
      },
      storm: { windowMs: 5000, agents: 3, agentShare: 0.2, retryShare: 0.25, z: 5, clearMs: 10_000 },
      limit: { min: 1, max: 1024, lossFactor: 0.7, tolerance: 1.5 },
      retryBudget: { ratio: 0.1, perSecond: 1, cap: 100 },
      hold: { maxMs: 30_000, maxCalls: 1024, maxPerAgent: 256, maxBytes: 268_435_456 },
      slots: { maxMs: 55_000, graceMs: 2000 },
      release: {
        probeEveryMs: 500,
        probeMaxMs: 1000,
        probePasses: 2,
        start: 0.3,
        growth: 1.5,
        windowMs: 250,
      },
      group: [1],
    })
  })

  it('orders rules by file name, the default last, and numbers them', () => {
    const rule = 'rules: [{ name: r, then: { do: hold } }]'
    const { rules } = policyOf({ default: rule, zeta: rule, alpha: rule })
    expect(rules.map(({ id, index }) => [id, index])).toEqual([
      ['alpha/r', 0],
      ['zeta/r', 1],
      ['default/r', 2],
    ])
  })

  it('leaves a rule without a mode in shadow', () => {
    expect(policyOf({ a: 'rules: [{ name: r, then: { do: shed } }]' }).rules[0]?.mode).toBe('shadow')
  })

  it('resolves a match to the upstreams that there are', () => {
    const { match } =
      policyOf({ a: "rules: [{ name: r, match: { upstream: ['op*'] }, then: { do: hold } }]" }).rules[0] ?? {}
    expect(match?.upstreams).toEqual([true, false])
  })

  it('gives a rate without a burst one second of burst, and an absent cap no bound', () => {
    const { then } =
      policyOf({
        a: 'rules: [{ name: r, then: { limits: [{ per: agent, rate: 90/min }, { per: upstream, scope: replica, concurrency: 3 }], fanOut: { width: 4 } } }]',
      }).rules[0] ?? {}
    expect(then?.limits).toEqual([
      { per: 'agent', scope: 'fleet', rate: 1.5, burst: 2, concurrency: 0 },
      { per: 'upstream', scope: 'replica', rate: 0, burst: 1, concurrency: 3 },
    ])
    expect(then?.fanOut).toEqual({ width: 4, calls: Infinity, depth: Infinity })
  })

  it("lets a name beat '*', key by key, in whatever file either is", () => {
    const { upstreams } = policyOf({
      a: 'upstreams: { idp: { hold: { max: 5s } } }',
      b: "upstreams: { '*': { hold: { max: 9s, calls: 300 } } }",
    })
    expect(upstreams[0]?.hold).toMatchObject({ maxMs: 9000, maxCalls: 300 })
    expect(upstreams[1]?.hold).toMatchObject({ maxMs: 5000, maxCalls: 300 })
  })

  it('refuses two files that say different things, and takes two that agree', () => {
    expect(refusal({ a: holding('5s'), b: holding('5s') })).toBe('accepted')
    expect(refusal({ a: holding('5s'), b: holding('6s') })).toBe(
      'b.yaml:2:34: upstreams.idp.hold.max is said differently in a.yaml:2:34; allowed: one file per key; ' +
        'fix: remove one of the two, or write `override: true` at the top of the file that is to win',
    )
  })

  it('lets the file win that says override, wherever its name stands', () => {
    const { upstreams } = policyOf({
      a: 'override: true\nupstreams: { idp: { hold: { max: 5s } } }',
      b: 'upstreams: { idp: { hold: { max: 6s } } }',
    })
    expect(upstreams[1]?.hold.maxMs).toBe(5000)
  })

  it('checks order on the merged values, where a file says one of them', () => {
    expect(refusal({ a: 'upstreams: { idp: { hold: { calls: 100 } } }' })).toContain(
      'a.yaml:2:36: perAgent (256) is above calls (100)',
    )
    expect(refusal({ a: 'workflow: { calls: 900 }' })).toContain(
      'a.yaml:2:20: calls (900) is above hardCalls (500)',
    )
  })

  it('makes a group true for all members, and refuses a second one', () => {
    expect(
      policyOf({ a: 'upstreams: { idp: { group: [openai] } }' }).upstreams.map(({ group }) => group),
    ).toEqual([
      [0, 1],
      [0, 1],
    ])
    expect(refusal({ a: "upstreams: { '*': { group: [openai] } }" })).toContain("a group under '*'")
    const three = compile({ a: 'upstreams: { a-one: { group: [b-two] }, c-three: { group: [b-two] } }' }, [
      'a-one',
      'b-two',
      'c-three',
    ])
    expect(three.ok).toBe(false)
    expect(three.problems[0]?.found).toBe('upstream "b-two" is in another group already')
  })

  it('knows a slip of the hand from an upstream that is not there', () => {
    expect(refusal({ a: about('opeani') })).toContain('nearest: openai')
    const other = compile({ a: about('tts') })
    expect(other.ok).toBe(true)
    expect(other.problems.map((problem) => problem.severity)).toEqual(['warning'])
  })

  it('checks files by themselves when no upstreams are known', () => {
    const compiled = compile(
      {
        a: "upstreams: { x: { group: [y] } }\nrules: [{ name: r, match: { upstream: 'z-*' }, then: { do: hold } }]",
      },
      'unknown',
    )
    expect(compiled).toMatchObject({ ok: true, problems: [] })
  })

  it('refuses to defer without a store, except in shadow', () => {
    expect(refusal({ a: deferring('enforce') })).toContain('`do: defer` while deferral is not configured')
    expect(refusal({ a: deferring('shadow') })).toBe('accepted')
  })

  it('refuses a second file of one name: rule ids would be ambiguous', () => {
    const [one, two] = ['one/a.yaml', 'two/a.yaml'].map((name) => parsePolicy(name, 'version: 1').file)
    if (one === undefined || two === undefined) throw new Error('fixtures are broken')
    const compiled = compilePolicy([one, two], { upstreams: UPSTREAMS, deferral: false })
    expect(compiled.problems[0]?.found).toBe('a second file named "a"; the first is one/a.yaml')
  })
})
