// oxlint-disable typescript/no-unsafe-type-assertion -- fakes are not typed more narrowly
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { SPIFFE_CA, SPIFFE_CLIENTS } from '../../test/kit/spiffe-fixture.ts'
import { TEST_CERT, TEST_KEY } from '../../test/kit/tls-fixture.ts'
import { Certificates, isBlock, onlyUri, uriForwarded, type CertificateVerdict } from './certificates.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const ONE_DOMAIN = { trustDomains: ['prod.example'], agents: ['*'], forwardedFrom: [] }

/** What a real handshake with this certificate comes to; asked twice, as for two requests of one connection. */
async function verdictOn(
  client: keyof typeof SPIFFE_CLIENTS | 'none',
  certificates: Certificates,
): Promise<readonly CertificateVerdict[]> {
  const server = createServer({
    cert: TEST_CERT,
    key: TEST_KEY,
    ca: SPIFFE_CA,
    requestCert: true,
    rejectUnauthorized: false,
  })
  closing.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const seen = new Promise<readonly CertificateVerdict[]>((resolve) => {
    server.on('secureConnection', (socket) => {
      resolve([certificates.check(socket, ''), certificates.check(socket, '')])
      socket.destroy()
    })
  })
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    ca: TEST_CERT,
    ...(client === 'none' ? {} : SPIFFE_CLIENTS[client]),
  })
  socket.on('error', () => {})
  closing.push(() => socket.destroy())
  return await seen
}

const named = (agent: string): CertificateVerdict => ({ agent, isWrong: false })
const WRONG = { agent: '', isWrong: true }

describe('a client certificate', () => {
  it('names its agent by its SPIFFE id', async () => {
    const certificates = new Certificates(ONE_DOMAIN, Date.now)
    expect(await verdictOn('agent', certificates)).toEqual([named('kyc:agent-a'), named('kyc:agent-a')])
  })

  it.each(['foreign', 'two', 'plain'] as const)('is nobody’s when it is "%s"', async (client) => {
    const certificates = new Certificates(ONE_DOMAIN, Date.now)
    expect(await verdictOn(client, certificates)).toEqual([WRONG, WRONG])
  })

  it('vouches for no name beyond those that it may', async () => {
    const certificates = new Certificates({ ...ONE_DOMAIN, agents: ['web:*'] }, Date.now)
    expect(await verdictOn('agent', certificates)).toEqual([WRONG, WRONG])
  })

  it('that nobody showed is no fault', async () => {
    expect(await verdictOn('none', new Certificates(ONE_DOMAIN, Date.now))).toEqual([named(''), named('')])
  })

  it('is over on a connection that outlives it', () => {
    let wall = 0
    const socket = {
      authorized: true,
      getPeerCertificate: () => ({
        subjectaltname: 'URI:spiffe://prod.example/ns/a/sa/b',
        valid_to: new Date(1000).toUTCString(),
      }),
    } as unknown as Duplex
    const certificates = new Certificates(ONE_DOMAIN, () => wall)
    expect(certificates.check(socket, '')).toEqual(named('a:b'))
    wall = 1000
    expect(certificates.check(socket, '')).toEqual(WRONG)
  })

  it('that was not verified was not shown', () => {
    const socket = {
      authorized: false,
      getPeerCertificate: () => ({ subjectaltname: 'URI:spiffe://prod.example/ns/a/sa/b' }),
    } as unknown as Duplex
    expect(new Certificates(ONE_DOMAIN, Date.now).check(socket, '')).toEqual(named(''))
  })
})

function from(remoteAddress: string): Duplex {
  return { remoteAddress } as unknown as Duplex
}

describe('x-forwarded-client-cert', () => {
  const certificates = new Certificates({ ...ONE_DOMAIN, forwardedFrom: ['10.0.0.0/8', '::1'] }, Date.now)
  const header = 'Hash=ab;Subject="CN=x, O=y";URI=spiffe://prod.example/ns/a/sa/b'

  it('counts from configured addresses, and from nobody else', () => {
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::1']) {
      expect(certificates.check(from(address), header)).toEqual(named('a:b'))
    }
    for (const address of ['11.1.2.3', '127.0.0.1', '::2', '']) {
      expect(certificates.check(from(address), header)).toEqual(named(''))
    }
    expect(new Certificates(ONE_DOMAIN, Date.now).check(from('10.1.2.3'), header)).toEqual(named(''))
    expect(certificates.check(from('10.1.2.3'), 'Hash=ab')).toEqual(WRONG)
  })

  it('is read as the nearest proxy wrote it: the last element, whatever is quoted before it', () => {
    expect(uriForwarded(header)).toBe('spiffe://prod.example/ns/a/sa/b')
    expect(uriForwarded('URI=spiffe://evil/a,By=x;URI=spiffe://good/b')).toBe('spiffe://good/b')
    expect(uriForwarded('URI=spiffe://a/b;Subject="x,URI=spiffe://evil/c"')).toBe('spiffe://a/b')
    expect(uriForwarded('URI=spiffe://a/b;Subject="x\\",URI=spiffe://evil/c"')).toBe('spiffe://a/b')
    expect(uriForwarded('uri="spiffe://a/b"')).toBe('spiffe://a/b')
    expect(uriForwarded('URI=spiffe://a/b;URI=spiffe://a/c')).toBe('')
    expect(uriForwarded('')).toBe('')
  })
})

it('takes one URI, and no list with quotes in it (CVE-2021-44532)', () => {
  expect(onlyUri('DNS:x, URI:spiffe://a/b')).toBe('spiffe://a/b')
  expect(onlyUri('URI:spiffe://a/b, URI:spiffe://a/c')).toBe('')
  expect(onlyUri('DNS:"x, URI:spiffe://a/evil", URI:spiffe://a/b')).toBe('')
  expect(onlyUri('DNS:x')).toBe('')
})

it('knows an address and a block from what is neither', () => {
  expect(['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8'].every(isBlock)).toBe(true)
  expect(
    ['', '10.0.0.0/33', '10.0.0.0/8/8', 'a.b', '10.0.0', 'fd00::/129', '10.0.0.0/-1'].some(isBlock),
  ).toBe(false)
})
