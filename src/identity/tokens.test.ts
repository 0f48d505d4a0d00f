import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { KeySet } from './key-set.ts'
import { Tokens, type IssuerOptions, type TokenVerdict } from './tokens.ts'

const ISSUER = 'https://issuer.example'
const OPTIONS: IssuerOptions = {
  issuer: ISSUER,
  audiences: ['weir'],
  algorithms: ['ES256', 'EdDSA'],
  toleranceMs: 5000,
  claim: 'sub',
  prefix: '',
  agents: ['*'],
}

interface Pair {
  readonly secret: CryptoKey
  readonly jwk: JWK
}

async function pair(kid: string, alg = 'ES256'): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg)
  return { secret: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } }
}

let one: Pair
let two: Pair
beforeAll(async () => {
  one = await pair('one')
  two = await pair('two')
})

class World {
  wall = 1_700_000_000_000
  clock = 0
  readonly keySet = new KeySet(undefined, {
    clock: () => this.clock,
    onProblem: () => {},
    onChange: () => this.tokens?.forget(),
  })
  readonly tokens: Tokens

  constructor(options: Partial<IssuerOptions> = {}, keys: readonly JWK[] = [one.jwk]) {
    if (keys.length > 0) this.publish(...keys)
    this.tokens = new Tokens([{ options: { ...OPTIONS, ...options }, keySet: this.keySet }], () => this.wall)
  }

  publish(...keys: readonly JWK[]): void {
    this.keySet.take(JSON.stringify({ keys }))
  }

  get seconds(): number {
    return Math.floor(this.wall / 1000)
  }

  token(
    claims: Record<string, unknown> = {},
    by: Pair = one,
    header: Record<string, unknown> = {},
  ): Promise<string> {
    const payload = { iss: ISSUER, aud: 'weir', sub: 'kyc', exp: this.seconds + 60, ...claims }
    return new SignJWT(payload)
      .setProtectedHeader({ alg: by.jwk.alg!, kid: by.jwk.kid!, ...header })
      .sign(by.secret)
  }

  async ask(token: string): Promise<string> {
    const verdict: TokenVerdict = await this.tokens.check(token)
    return verdict.is === 'agent' ? `agent ${verdict.agent}` : verdict.is
  }
}

function forged(header: object, payload: object, signature = ''): string {
  return `${encoded(header)}.${encoded(payload)}.${signature}`
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

describe('a token', () => {
  it('is checked once, and known at once from then on', async () => {
    const world = new World()
    const token = await world.token()
    expect(world.tokens.check(token)).toBeInstanceOf(Promise)
    expect(await world.ask(token)).toBe('agent kyc')
    expect(world.tokens.check(token)).toEqual({ is: 'agent', agent: 'kyc' })
    expect(world.tokens.pending).toBe(0)
  })

  it('is checked once though it comes a hundred times in one instant', async () => {
    const world = new World()
    const token = await world.token()
    const all = Array.from({ length: 100 }, () => Promise.resolve(world.tokens.check(token)))
    expect(new Set(all).size).toBe(1)
    expect(world.tokens.pending).toBe(1)
    await Promise.all(all)
    expect(world.tokens.pending).toBe(0)
  })

  it('is over when it says so, whether or not it was known', async () => {
    const world = new World()
    const token = await world.token()
    expect(await world.ask(token)).toBe('agent kyc')
    world.wall += 64_000
    expect(await world.ask(token)).toBe('agent kyc')
    world.wall += 1000
    expect(await world.ask(token)).toBe('wrong')
    expect(await world.ask(await world.token({ exp: world.seconds - 10 }))).toBe('wrong')
  })

  it.each([
    ['another audience', { aud: 'other' }],
    ['no audience', { aud: undefined }],
    ['another issuer', { iss: 'https://other.example' }],
    ['no issuer', { iss: undefined }],
    ['no end', { exp: undefined }],
    ['a beginning that is to come', { nbf: 1_700_000_100 }],
    ['no subject', { sub: undefined }],
    ['a subject that is no name', { sub: 'a b' }],
    ['a subject that is no text', { sub: 7 }],
  ])('with %s is nobody’s', async (_what, claims) => {
    const world = new World()
    expect(await world.ask(await world.token(claims))).toBe('wrong')
  })

  it('is nobody’s when it is signed by another key, by none, or with the public key as a secret', async () => {
    const world = new World()
    const claims = { iss: ISSUER, aud: 'weir', sub: 'kyc', exp: world.seconds + 60 }
    expect(await world.ask(await world.token({}, two))).toBe('wrong')
    expect(await world.ask(await world.token({}, { ...two, jwk: one.jwk }))).toBe('wrong')
    expect(await world.ask(forged({ alg: 'none' }, claims))).toBe('wrong')
    expect(await world.ask(forged({ alg: 'none', kid: 'one' }, claims, 'AAAA'))).toBe('wrong')
    const hmac = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(Buffer.from(JSON.stringify(one.jwk)))
    expect(await world.ask(hmac)).toBe('wrong')
    const [head = '', body = '', signature = ''] = (await world.token()).split('.')
    const other = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url')
    expect(await world.ask(`${head}.${other}.${signature}`)).toBe('wrong')
    expect(await world.ask(`${head}.${body}.`)).toBe('wrong')
    const rsa = await pair('three', 'RS256')
    world.publish(one.jwk, rsa.jwk)
    expect(await world.ask(await world.token({}, rsa))).toBe('wrong')
  })

  it('finds no key by a kid that is a path or a query, and carries none of its own', async () => {
    const world = new World()
    for (const kid of ['../../one', '/dev/null', "one' or '1", '']) {
      expect(await world.ask(await world.token({}, one, { kid }))).toBe('wrong')
    }
    const own = await world.token({}, two, {
      kid: 'two',
      jwk: two.jwk,
      jku: 'http://evil.example',
      x5u: 'http://evil.example',
    })
    expect(await world.ask(own)).toBe('wrong')
  })

  it('is not read when it is not one', async () => {
    const world = new World()
    for (const text of ['..', 'a.b.c', '.'.repeat(5000), `${'x'.repeat(9000)}.y.z`, '\u0000.\u0000.\u0000']) {
      expect(await world.ask(text)).toBe('wrong')
    }
    expect(Tokens.isLike('id.secret')).toBe(false)
    expect(Tokens.isLike('a.b.c')).toBe(true)
  })
})

describe('the keys of an issuer', () => {
  it('change: a withdrawn one is refused, a new one accepted, whatever was known', async () => {
    const world = new World()
    const [old, next] = [await world.token(), await world.token({}, two)]
    expect([await world.ask(old), await world.ask(next)]).toEqual(['agent kyc', 'wrong'])
    world.publish(two.jwk)
    expect([await world.ask(old), await world.ask(next)]).toEqual(['wrong', 'agent kyc'])
  })

  it('were never had: nobody can say', async () => {
    const world = new World({}, [])
    expect(await world.ask(await world.token())).toBe('unavailable')
    world.publish(one.jwk)
    expect(await world.ask(await world.token())).toBe('agent kyc')
  })
})

describe('the name of an agent', () => {
  it('is the subject, and of a service account its namespace and name', async () => {
    const world = new World()
    const sub = 'system:serviceaccount:kyc:agent-a'
    expect(await world.ask(await world.token({ sub }))).toBe('agent kyc:agent-a')
  })

  it('may be another claim, with a prefix, of those that the issuer may vouch for', async () => {
    const world = new World({ claim: 'client_id', prefix: 'ci-', agents: ['ci-build*'] })
    expect(await world.ask(await world.token({ client_id: 'build-7' }))).toBe('agent ci-build-7')
    expect(await world.ask(await world.token({ client_id: 'deploy' }))).toBe('wrong')
  })
})

it('remembers wrong tokens, right ones and those in work within bounds', async () => {
  const world = new World()
  const wrong = await Promise.all(
    Array.from({ length: 200 }, (_, n) => world.token({ sub: `s${n}` }, { ...two, jwk: one.jwk })),
  )
  const verdicts = wrong.map((token) => world.tokens.check(token))
  expect(world.tokens.pending).toBe(128)
  expect(verdicts.filter((verdict) => !(verdict instanceof Promise))).toEqual(
    Array.from({ length: 72 }, () => ({ is: 'busy' })),
  )
  for (const verdict of verdicts) await verdict
  expect(world.tokens.pending).toBe(0)
  // Remembered: no signature is looked at again.
  expect(world.tokens.check(wrong[0]!)).toEqual({ is: 'wrong' })
  expect(world.tokens.remembered).toBe(0)
})
