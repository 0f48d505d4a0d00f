/**
 * The sidecar has one shape: what `weir inject` puts in is what the chart's named templates make, and what the admission
 * policy says. The goldens are rendered by Helm's engine: test/helm/run.sh.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { baseUrlEnv } from '../../src/inject/base-urls.ts'
import { sidecarContainer, sidecarVolumes } from '../../src/inject/sidecar.ts'

function golden(name: string, kind: string): any {
  const text = readFileSync(join(import.meta.dirname, '../helm/golden', `${name}.yaml`), 'utf8')
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .find((manifest) => manifest.kind === kind)
}

describe('the sidecar of weir inject and of the chart', () => {
  const pod = golden('sidecar-example', 'Deployment').spec.template.spec
  const options = {
    image: 'registry.example/weir:0.1.0',
    configMap: 'weir',
    policiesConfigMap: 'weir-policies',
    agentsPort: 18_080,
    operatorPort: 19_090,
    memoryMi: 512,
    hashKeySecret: { name: 'weir', key: 'hashKey' },
    redisSecret: { name: 'weir-redis', key: 'url' },
  }

  it('are the same container', () => {
    expect(sidecarContainer(options)).toEqual(pod.initContainers[0])
  })

  it('have the same volumes', () => {
    expect(sidecarVolumes(options)).toEqual(pod.volumes)
  })

  it('give the agent the same variables', () => {
    const variables = [{ name: 'IDP_URL', upstream: 'idp', path: '' }]
    const upstreams = ['openai', 'anthropic']
    expect(baseUrlEnv({ upstreams, agentsPort: 18_080, identity: 'path', variables })).toEqual(
      pod.containers[0].env,
    )
  })
})

describe('the sidecar of the admission policy', () => {
  const { mutations } = golden('sidecar-injection', 'MutatingAdmissionPolicy').spec
  const patch: string = mutations[0].jsonPatch.expression
  const apply: string = mutations[1].applyConfiguration.expression
  const options = {
    image: 'registry.example/weir:1',
    configMap: 'weir',
    agentsPort: 28_080,
    operatorPort: 29_090,
    memoryMi: 512,
  }

  /** The literal behind a path: CEL's are JSON but for the casts to dyn. */
  function literal(path: string): unknown {
    const from = patch.indexOf(`path: "${path}", value: `) + `path: "${path}", value: `.length
    let depth = 0
    let to = from
    do {
      if (patch[to] === '{' || patch[to] === '[') depth += 1
      if (patch[to] === '}' || patch[to] === ']') depth -= 1
      to += 1
    } while (depth > 0)
    return JSON.parse(
      patch
        .slice(from, to)
        .replaceAll('dyn(', '')
        .replaceAll(/\)(?=[,}\]]|$)/g, ''),
    )
  }

  it('is the same container and volume, each value cast to the one type that all elements may have', () => {
    expect(literal('/spec/initContainers/0')).toEqual(sidecarContainer(options))
    expect(literal('/spec/volumes/-')).toEqual(sidecarVolumes(options)[0])
    const casts = patch.match(/: (?!dyn\()[^ ,}]+[,}]/g) ?? []
    expect(casts.filter((text) => !/^: ("add",|"\/spec|\[\])/.test(text))).toEqual([])
  })

  it('makes the lists that it adds to where a pod has none', () => {
    for (const list of ['initContainers', 'volumes']) {
      expect(patch).toContain(
        `(has(object.spec.${list}) ? [] : [JSONPatch{op: "add", path: "/spec/${list}", value: []}])`,
      )
    }
  })

  it('gives every container the same variables', () => {
    const told = [...apply.matchAll(/name: "(\w+)", value: "([^"]*)"/g)].map(([, name, value]) => ({
      name,
      value,
    }))
    const env = baseUrlEnv({
      upstreams: ['openai', 'gemini'],
      agentsPort: 28_080,
      identity: 'headers',
      variables: [],
    })
    expect(told).toEqual(env.slice(1))
    expect(apply).toContain('name: "WEIR_AGENT", valueFrom: ')
    expect(apply).toContain('fieldPath: "metadata.name"')
  })
})

describe('the sidecar by hand, in examples/', () => {
  const [configMap, deployment] = parseAllDocuments(
    readFileSync(join(import.meta.dirname, '../../examples/sidecar/agent.yaml'), 'utf8'),
  ).map((document): any => document.toJS())

  it('has a config that Weir takes whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weir-sidecar-'))
    try {
      const file = join(folder, 'weir.yaml')
      await writeFile(file, configMap.data['weir.yaml'])
      const read = readConfig({ flags: { config: file }, env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } })
      expect(read).toMatchObject({ ok: true })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('starts before the agent, is probed where its operator listens, and mounts what it reads', () => {
    const { initContainers, containers, volumes } = deployment.spec.template.spec
    const [weir] = initContainers
    expect(weir.restartPolicy).toBe('Always')
    expect(configMap.data['weir.yaml']).toContain(`0.0.0.0:${weir.ports[0].containerPort}`)
    for (const probe of [weir.startupProbe, weir.livenessProbe])
      expect(probe.httpGet.port).toBe(weir.ports[0].name)
    expect(weir.args.at(-1)).toBe(`${weir.volumeMounts[0].mountPath}/weir.yaml`)
    expect(volumes).toEqual([
      { name: weir.volumeMounts[0].name, configMap: { name: configMap.metadata.name } },
    ])
    expect(containers[0].env[0].value).toBe('http://127.0.0.1:8080/openai/v1')
  })
})
