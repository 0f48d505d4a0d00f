/**
 * A disk that is full, for real: Weir runs under a limit on the size of files (`ulimit -f`), so that what it writes past
 * it fails in the system call, as it does on a full disk. Nothing that was accepted is lost, and proxying goes on.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { WeirProcess } from '../kit/weir-process.ts'

/** Of `ulimit -f` in bash: 1 KiB each. */
const FULL = ['bash', '-c', 'ulimit -S -f 3072; exec "$@"', 'bash']
const CALL_BYTES = 128 * 1024

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

it('a full disk costs new promises and the commons, and nothing else', { timeout: 120_000 }, async () => {
  const upstream = await HttpUpstream.start({ delayMs: 50, body: 'answered' })
  closing.push(() => upstream.close())
  const dir = await mkdtemp(join(tmpdir(), 'weir-full-'))
  closing.push(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'key'), 'one secret key of at least 32 characters\n')
  await writeFile(join(dir, 'policy.yaml'), 'version: 1\nrules: []\n')
  const config = join(dir, 'weir.yaml')
  await writeFile(
    config,
    `listen: 127.0.0.1:0
operator: { listen: 127.0.0.1:0 }
upstreams: { up: ${upstream.url.href} }
policies: [policy.yaml]
deferral: { store: lmdb, dir: spool, keyFiles: [key], concurrency: 1 }
commons: { store: lmdb, dir: commons }
`,
  )
  let weir = new WeirProcess(['--config', config], { under: FULL })
  closing.push(() => weir.kill())
  let { agents, operator } = await weir.ready()
  const body = 'x'.repeat(CALL_BYTES)
  const promised: string[] = []
  let direct = 0
  for (let tries = 0; tries < 60 && direct < 3; tries++) {
    // With a key, so that the one that runs when Weir is killed may be sent again instead of ending as unknown.
    const headers = { prefer: 'respond-async', 'idempotency-key': `call-${tries}` }
    const answer = await fetch(`${agents}/up/x`, { method: 'POST', body, headers })
    await answer.arrayBuffer()
    if (answer.status === 202) promised.push(answer.headers.get('location')!)
    else if (answer.status === 200) direct += 1
  }
  // The disk is full: what cannot be promised goes its usual way, at once.
  expect([promised.length > 3, direct]).toEqual([true, 3])

  // The commons on the same disk says so, and keeps what it has.
  const put = (key: string, value: string): Promise<Response> =>
    fetch(`${agents}/weir/v1/state/${key}`, { method: 'PUT', body: JSON.stringify(value) })
  const kept: string[] = []
  let refused: Response | undefined
  for (let number = 0; number < 60 && refused === undefined; number++) {
    const answer = await put(`doc-${number}`, 'y'.repeat(100_000))
    if (answer.ok) kept.push(`doc-${number}`)
    else refused = answer
  }
  expect(refused?.status).toBe(503)
  expect(await refused!.json()).toMatchObject({
    code: 'unavailable',
    detail: 'the store of the commons does not answer; proxying goes on',
  })
  for (const key of kept) expect((await fetch(`${agents}/weir/v1/state/${key}`)).status).toBe(200)

  // Proxying goes on, probes are well, and the process is the same.
  for (let calls = 0; calls < 5; calls++) expect((await fetch(`${agents}/up/plain`)).status).toBe(200)
  expect((await fetch(`${operator}/readyz`)).status).toBe(200)
  expect([weir.isEnded, weir.output]).toEqual([false, expect.any(String)])

  // With room again, after a kill at that: all that was promised has its end, all that was kept is there.
  await weir.kill()
  weir = new WeirProcess(['--config', config])
  ;({ agents, operator } = await weir.ready())
  const ends = new Map<string, number>()
  for (const location of promised) {
    const answer = await fetch(agents + location, { headers: { prefer: 'wait=30' } })
    const text = await answer.text()
    // One that was run while the disk was full has its end, and says that its answer found no room.
    const end = answer.status === 200 ? text : (JSON.parse(text) as { code: string }).code
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
  expect([...ends.keys()].filter((end) => end !== 'answered' && end !== 'no_room')).toEqual([])
  expect(ends.get('answered')).toBeGreaterThan(0)
  for (const key of kept) expect((await fetch(`${agents}/weir/v1/state/${key}`)).status).toBe(200)
  expect((await put('more', 'z'.repeat(100_000))).status).toBe(201)
  const again = await fetch(`${agents}/up/x`, { method: 'POST', body, headers: { prefer: 'respond-async' } })
  expect(again.status).toBe(202)
})
