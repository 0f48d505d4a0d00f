/**
 * What the chart makes (the goldens that `test/helm/run.sh` compares with a rendering) is what Weir takes: its config
 * and policies are read by Weir's own readers, and its pods keep the promises of the documents.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { loadPolicies } from '../../src/policy/load.ts'
import { TEST_CERT, TEST_KEY } from '../kit/tls-fixture.ts'

const GOLDEN = join(import.meta.dirname, 'golden')
const NAMES = readdirSync(GOLDEN).map((file) => file.replace(/\.yaml$/, ''))
/** What Secrets put where the chart says, by its path in the container. */
const MOUNTED: Readonly<Record<string, string>> = {
  '/etc/weir/ca/idp.pem': TEST_CERT,
  '/etc/weir/clients/ca.pem': TEST_CERT,
  '/etc/weir/tls/tls.crt': TEST_CERT,
  '/etc/weir/tls/tls.key': TEST_KEY,
  '/etc/weir/auth/keys.yaml': 'keys: []\n',
  '/etc/weir/auth/agents.yaml': 'keys: []\n',
  '/etc/weir/deferral/key': 'a'.repeat(40),
  '/etc/weir/deferral/key-1': 'b'.repeat(40),
  '/etc/weir/deferral/key-2': 'c'.repeat(40),
}
const ENVIRONMENT = {
  IDP_URL: 'https://idp.example',
  WEIR_HASH_KEY: 'of at least sixteen characters',
  WEIR_REDIS_URL: 'rediss://weir:secret@redis.example:6379',
}

interface Container {
  readonly name: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value?: string }[]
  readonly restartPolicy?: string
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext: object
  readonly volumeMounts: readonly { readonly mountPath: string }[]
  readonly resources: { readonly limits: { readonly memory: string } }
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly automountServiceAccountToken: boolean
        readonly containers: readonly Container[]
        readonly initContainers?: readonly Container[]
      }
    }
  }
}

function manifests(name: string): Manifest[] {
  const text = readFileSync(join(GOLDEN, `${name}.yaml`), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest)
}

const PODS = NAMES.flatMap((name) =>
  manifests(name)
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .map(({ spec }) => ({ name, pod: spec.template.spec })),
)

function weirOf(pod: (typeof PODS)[number]['pod']): Container | undefined {
  return [...pod.containers, ...(pod.initContainers ?? [])].find(({ name }) => name === 'weir')
}

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-chart-'))
  for (const [path, text] of Object.entries(MOUNTED)) await writeFile(placed(path), text)
})
afterAll(() => rm(folder, { recursive: true }))

function placed(path: string): string {
  return join(folder, path.replaceAll('/', '_'))
}

/** The config as the pod has it, with the mounts where this test has them. */
async function configOf(name: string): Promise<ReturnType<typeof readConfig>> {
  const text =
    manifests(name).find(({ data }) => data?.['weir.yaml'] !== undefined)?.data?.['weir.yaml'] ?? ''
  const file = join(folder, `${name}.yaml`)
  const placedText = text.replaceAll(/\/(?:etc|var)\/[\w./-]+/g, placed)
  await writeFile(file, placedText)
  return readConfig({ flags: { config: file }, env: ENVIRONMENT })
}

describe.each(NAMES)('the chart with ci/%s-values.yaml', (name) => {
  it('makes a weir.yaml that Weir takes', async () => {
    const read = await configOf(name)
    expect(read.ok ? [] : read.problems).toEqual([])
  })

  it('makes policies that Weir takes', async () => {
    const texts = manifests(name).flatMap(({ data }) =>
      Object.entries(data ?? {}).filter(([key]) => key.endsWith('.yaml') && key !== 'weir.yaml'),
    )
    const files = texts.map(([key]) => join(folder, `${name}-${key}`))
    await Promise.all(texts.map(([, text], index) => writeFile(files[index]!, text)))
    const loaded = loadPolicies(files, { upstreams: ['openai', 'idp', 'anthropic'], deferral: false })
    expect(loaded.problems.filter((problem) => problem.severity === 'error')).toEqual([])
    expect(loaded.ok).toBe(true)
  })
})

describe.each(PODS)('the pods of ci/$name-values.yaml', ({ name, pod }) => {
  it('run Weir as a numbered user that can write nothing and has no rights', () => {
    expect(weirOf(pod)?.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(pod.automountServiceAccountToken).toBe(false)
  })

  it('are given more time to end than Weir takes, and ports where it listens', async () => {
    const read = await configOf(name)
    if (!read.ok) throw new Error('the config is refused')
    const { proxy, operator } = read.config
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(proxy.drainMs)
    expect(proxy.drainDelayMs).toBeLessThan(proxy.drainMs)
    const ports = weirOf(pod)?.ports.map(({ containerPort }) => containerPort)
    expect(ports).toEqual([proxy.listen.port, operator.listen.port])
  })

  it('have memory for the heap and for the bodies of held calls', async () => {
    const read = await configOf(name)
    const weir = weirOf(pod)
    if (!read.ok || weir === undefined) throw new Error('there is no Weir')
    const limit = Number(/^(\d+)Mi$/.exec(weir.resources.limits.memory)?.[1]) * 2 ** 20
    const heap =
      Number(
        /=(\d+)$/.exec(weir.env.find((variable) => variable.name === 'NODE_OPTIONS')?.value ?? '')?.[1],
      ) *
      2 ** 20
    expect(heap).toBeGreaterThan(0)
    const { workers } = read.config
    const processes = workers === 1 ? 1 : workers + 1
    expect(heap * processes + read.config.proxy.hold.totalBytes).toBeLessThanOrEqual(limit * 0.8)
  })
})

it('a sidecar starts before its agent, outlives it, and listens on the loopback alone', async () => {
  const pod = PODS.find(({ name }) => name === 'sidecar-example')?.pod
  const weir = pod?.initContainers?.[0]
  expect(weir?.name).toBe('weir')
  expect(weir?.restartPolicy).toBe('Always')
  const read = await configOf('sidecar-example')
  expect(read.ok && read.config.proxy.listen.host).toBe('127.0.0.1')
})

it('what is named by the config is mounted, and nothing else but what users add', () => {
  for (const { name, pod } of PODS) {
    const text =
      manifests(name).find(({ data }) => data?.['weir.yaml'] !== undefined)?.data?.['weir.yaml'] ?? ''
    const named = [...text.matchAll(/\/(?:etc|var)\/[\w./-]+/g)].map(([path]) => path)
    const mounts = weirOf(pod)?.volumeMounts.map(({ mountPath }) => mountPath) ?? []
    const missing = named.filter(
      (path) => !mounts.some((mount) => path === mount || path.startsWith(`${mount}/`)),
    )
    expect({ name, missing }).toEqual({ name, missing: [] })
    const idle = mounts.filter(
      (mount) => mount !== '/etc/weir/config' && !named.some((path) => path.startsWith(mount)),
    )
    expect({ name, idle }).toEqual({ name, idle: [] })
  }
})
