/** `helm test`: the script of the chart's test pod, run against a real Weir. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'

let folder: string
let app: App | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-helm-test-'))
  await writeFile(join(folder, 'keys.yaml'), 'keys: []\n')
})
afterEach(async () => {
  await app?.stop()
  app = undefined
})
afterAll(() => rm(folder, { recursive: true }))

async function scriptOf(name: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, 'golden', `${name}.yaml`), 'utf8')
  const pod = parseAllDocuments(text)
    .map((document) => document.toJS())
    .find(({ kind }) => kind === 'Pod')
  return pod.spec.containers[0].command.at(-1)
}

async function startWeir(auth: object): Promise<{ agents: string; operator: string }> {
  const file = join(folder, 'weir.yaml')
  const own = {
    listen: '127.0.0.1:0',
    operator: { listen: '127.0.0.1:0' },
    drain: { max: '1s' },
    log: { level: 'silent' },
  }
  await writeFile(file, JSON.stringify({ ...own, ...auth, upstreams: { openai: 'http://127.0.0.1:9' } }))
  app = createApp(loadConfig({ flags: { config: file }, env: {} }))
  const { proxy, operator } = await app.start()
  return { agents: `${proxy.host}:${proxy.port}`, operator: `${operator.host}:${operator.port}` }
}

/** Its exit code, and what it said. */
function run(script: string): Promise<{ code: number; said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '--eval', script], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, said: stdout + stderr })
    })
  })
}

it.each([
  ['that asks nobody who they are', {}, 404],
  ['that wants a key', { auth: { keys: 'keys.yaml' }, permissions: { unlisted: 'allow' } }, 401],
])('passes at a Weir %s', async (_what, auth, status) => {
  const { agents, operator } = await startWeir(auth)
  const script = await scriptOf('gateway')
  const result = await run(script.replace('weir:80', agents).replace('weir-operator:9090', operator))
  expect(result).toEqual({ code: 0, said: expect.stringContaining(`/weir/v1/nothing ${status}\n`) })
})

it('fails where something else answers', async () => {
  const { operator } = await startWeir({})
  const script = await scriptOf('gateway')
  // The operator's listener has no such path, either, but is not where agents are.
  const result = await run(script.replace('weir:80', operator).replace('weir-operator:9090', operator))
  expect(result).toEqual({ code: 1, said: expect.stringContaining('not Weir') })
})
