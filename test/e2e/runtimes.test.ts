/** Clients of other languages, where this machine has them: curl, Java's own client, Python's http.client. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually, startWorld } from './kit.ts'
import type { World } from './kit.ts'

const run = promisify(execFile)
const PROBE = fileURLToPath(new URL('Probe.java', import.meta.url))
/** One call every two seconds. */
const PACED = `version: 1
rules:
  - name: paced
    mode: enforce
    then: { do: hold, limits: [{ per: upstream, rate: 30/min, burst: 1 }] }
`
/** Two seconds as the upstream sees them: for the first of the two calls a connection had to be opened. */
const LEAST_GAP_MS = 1900
const present = (path: string): boolean => existsSync(path)

let world: World
afterEach(() => world.close())

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

async function output(command: string, args: readonly string[]): Promise<string> {
  return (await run(command, args, { timeout: 30_000 })).stdout
}

const CURL = '/usr/bin/curl'
const JAVA = '/usr/bin/java'
/** The system's: others may lack what it has. */
const PYTHON = '/usr/bin/python3'

describe.runIf(present(CURL))('curl', () => {
  it('that offers h2c with a body is answered over HTTP/1.1', async () => {
    world = await startWorld({ upstream: 'tools' })
    const common = ['-sS', '--http2', '-H', 'x-call-id: curl', '-w', ' %{http_version} %{http_code}']
    const text = await output(CURL, [...common, '-d', '{"subject":"curl"}', `${world.base('clerk')}/verify`])
    expect(text).toMatch(/"verified":true.* 1\.1 200$/)
    expect(await eventually(() => world.seen.length === 1)).toBe(true)
    expect(world.seen[0]).toMatchObject({ agent: 'clerk', family: 'curl', outcome: 'passed' })
  })

  it('that asks first whether its large body is welcome may send it', async () => {
    world = await startWorld({ upstream: 'tools' })
    const body = 'x'.repeat(2 << 20)
    const options = ['-sS', '-v', '-H', 'content-type: text/plain', '--data-binary', '@-']
    const sending = run(CURL, [...options, `${world.base('clerk')}/items`], { timeout: 30_000 })
    sending.child.stdin?.end(body)
    const { stdout, stderr } = await sending
    expect(stderr).toMatch(/> expect: 100-continue/i)
    expect(stderr).toContain('< HTTP/1.1 100 Continue')
    expect(JSON.parse(stdout)).toMatchObject({ bodyBytes: body.length, sha256: sha256(body) })
  })

  it('that has to wait inside Weir gets its answer', async () => {
    world = await startWorld({ upstream: 'tools', policy: PACED })
    const ask = (id: string): Promise<string> =>
      output(CURL, ['-sS', '-H', `x-call-id: ${id}`, '-w', ' %{http_code}', `${world.base('clerk')}/items`])
    expect(await ask('first')).toMatch(/ 200$/)
    expect(await ask('second')).toMatch(/ 200$/)
    expect(world.reachedAt('second') - world.reachedAt('first')).toBeGreaterThanOrEqual(LEAST_GAP_MS)
  })
})

describe.runIf(present(JAVA))("Java's HTTP client", () => {
  it('that offers h2c by default is answered over HTTP/1.1, also on the same connection again', async () => {
    world = await startWorld({ upstream: 'tools' })
    const lines = (await output(JAVA, [PROBE, `${world.base('clerk')}/verify`])).trim().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).toMatch(/^200 HTTP_1_1 .*"subject":"java","verified":true/)
    expect(await eventually(() => world.seen.length === 2)).toBe(true)
    expect(world.seen[0]).toMatchObject({ id: 'java-1', agent: 'clerk', family: 'java', outcome: 'passed' })
  })
})

/** `http.client` takes any 1xx but 100 for the answer: it must get none. */
const HTTP_CLIENT = `
import http.client, sys
host, path, name = sys.argv[1:4]
c = http.client.HTTPConnection(host, timeout=20)
c.request('POST', path, body='{"subject":"python"}', headers={'content-type': 'application/json', 'x-call-id': name})
r = c.getresponse()
print(r.status, r.read().decode())
`
describe.runIf(present(PYTHON))("Python's http.client", () => {
  it('gets its answer, at once and after a wait inside Weir', async () => {
    world = await startWorld({ upstream: 'tools', policy: PACED })
    const path = `${world.base('clerk').slice(world.origin.length)}/verify`
    for (const id of ['first', 'second']) {
      const text = await output(PYTHON, ['-c', HTTP_CLIENT, world.origin.slice('http://'.length), path, id])
      expect(text).toMatch(/^200 .*"verified":true/)
    }
    expect(world.reachedAt('second') - world.reachedAt('first')).toBeGreaterThanOrEqual(LEAST_GAP_MS)
    expect(await eventually(() => world.seen.length === 2)).toBe(true)
    expect(world.seen[1]).toMatchObject({ id: 'second', outcome: 'passed-after-hold', hopped: false })
  })
})
