/** The words of `weir inject`: what it reads, writes and refuses. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { injectCommand } from '../../src/cli/inject.ts'

const POD = `kind: Pod
metadata:
  name: agent
  labels: { weir-proxy.io/inject: enabled }
spec:
  containers:
  - name: agent
    image: agent:1
`
const WORDS = ['--image', 'registry.example/weir:1', '--upstream', 'openai']

let folder: string
let out = ''
let err = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-inject-'))
  await writeFile(join(folder, 'pod.yaml'), POD)
  await writeFile(join(folder, 'other.yaml'), 'kind: Service\nmetadata: { name: s }')
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

async function run(...words: readonly string[]): Promise<number> {
  const command = injectCommand().exitOverride()
  await command.parseAsync(
    words.map((word) => word.replace('DIR', folder)),
    { from: 'user' },
  )
  return Number(process.exitCode ?? 0)
}

describe('weir inject', () => {
  it('writes manifests to standard output, and to the other one what it did', async () => {
    expect(
      await run('-f', 'DIR/pod.yaml', ...WORDS, '--memory-mi', '256', '--redis-secret', 'weir-redis/url'),
    ).toBe(0)
    const [sidecar] = parse(out).spec.initContainers
    expect(sidecar).toMatchObject({
      image: 'registry.example/weir:1',
      resources: { limits: { memory: '256Mi' } },
    })
    expect(sidecar.env[1].valueFrom.secretKeyRef).toEqual({ name: 'weir-redis', key: 'url' })
    expect(err).toBe('injected: Pod/agent\n')
  })

  it('gives back with --uninject what was there, and needs no other word for it', async () => {
    await run('-f', 'DIR/pod.yaml', ...WORDS)
    await writeFile(join(folder, 'injected.yaml'), out)
    out = ''
    expect(await run('-f', 'DIR/injected.yaml', '--uninject')).toBe(0)
    expect(out).toBe(await readFile(join(folder, 'pod.yaml'), 'utf8'))
  })

  it('makes one stream of several files', async () => {
    await run('-f', 'DIR/other.yaml', '-f', 'DIR/pod.yaml', '-f', 'DIR/other.yaml', ...WORDS)
    expect(out.split('\n---\n').map((text) => parse(text).kind)).toEqual(['Service', 'Pod', 'Service'])
  })

  it('says so when there was nothing to do', async () => {
    expect(await run('-f', 'DIR/other.yaml', ...WORDS)).toBe(0)
    expect(err).toBe('injected: nothing; no workload has weir-proxy.io/inject: enabled\n')
  })

  it.each([
    [['-f', 'DIR/pod.yaml', '--upstream', 'openai'], '--image is missing'],
    [['-f', 'DIR/pod.yaml', '--image', 'i'], '--upstream is missing'],
    [['-f', 'DIR/pod.yaml', '--image', 'i', '--upstream', 'idp'], 'say --env NAME=idp/path'],
    [['-f', 'DIR/none.yaml', ...WORDS], 'none.yaml: cannot be read (ENOENT)'],
    [['-f', 'DIR/pod.yaml', ...WORDS, '--agents-port', '19090'], 'are both 19090'],
  ])('refuses %j as a mistake in the words', async (words, says) => {
    expect(await run(...words)).toBe(64)
    expect(err).toContain(says)
    expect(out).toBe('')
  })

  it.each([
    ['--agents-port', '80'],
    ['--memory-mi', '64'],
    ['--redis-secret', 'weir-redis'],
    ['--env', 'IDP_URL'],
    ['--identity', 'cookie'],
  ])('refuses %s %s', async (option, value) => {
    await expect(run('-f', 'DIR/pod.yaml', ...WORDS, option, value)).rejects.toThrow(option)
  })

  it('writes nothing when something cannot be done', async () => {
    await writeFile(join(folder, 'host.yaml'), POD.replace('spec:', 'spec:\n  hostNetwork: true'))
    expect(await run('-f', 'DIR/pod.yaml', '-f', 'DIR/host.yaml', ...WORDS)).toBe(1)
    expect(err).toMatch(/host\.yaml:6:3: Pod\/agent: hostNetwork is true/)
    expect(out).toBe('')
  })
})
