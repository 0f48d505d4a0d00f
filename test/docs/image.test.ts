/** The image: what the Dockerfile copies exists and is let through, and versions are the same wherever they stand. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../src/config.ts'

const ROOT = join(import.meta.dirname, '..', '..')

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

const DOCKERFILE = read('Dockerfile')

describe('Dockerfile', () => {
  const copied = [...DOCKERFILE.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => {
    return (match[1] as string).split(' ')
  })

  it('copies only what exists and what .dockerignore lets through', () => {
    const allowed = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map((match) => match[1])
    expect(copied.length).toBeGreaterThan(0)
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
    expect(copied.filter((path) => !allowed.includes(path))).toEqual([])
    expect(allowed.filter((path) => path === undefined || !copied.includes(path))).toEqual([])
  })

  it('starts node itself, as a numbered user, from a base that can be replaced', () => {
    expect(DOCKERFILE).toMatch(/^ENTRYPOINT \["node", .*"dist\/main\.js"\]$/m)
    expect(DOCKERFILE).toMatch(/^USER 65532:65532$/m)
    expect(DOCKERFILE).not.toMatch(/^HEALTHCHECK/m)
    expect([...DOCKERFILE.matchAll(/^FROM (\S+)/gm)].map((match) => match[1])).toEqual([
      '${BUILD_IMAGE}',
      '${RUNTIME_IMAGE}',
    ])
    const [build, runtime] = [...DOCKERFILE.matchAll(/^ARG (?:BUILD|RUNTIME)_IMAGE=(\S+)$/gm)].map(
      (match) => match[1],
    )
    expect(runtime).toMatch(/^node:\d+\.\d+\.\d+-[a-z]+-slim$/)
    expect(build).toBe(runtime)
  })

  it('lets no package run an install script', () => {
    const installs = [...DOCKERFILE.matchAll(/npm (?:ci|install|uninstall|prune)[^&\n\\]*/g)].map(
      ([words]) => words,
    )
    expect(installs.length).toBeGreaterThan(0)
    expect(installs.filter((words) => !words.includes('--ignore-scripts'))).toEqual([])
  })

  it('writes a bill of materials', () => {
    expect(DOCKERFILE).toMatch(/npm sbom .*--sbom-format=cyclonedx/)
  })
})

it('the image and the chart have the version of the package', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const chart = parse(read('helm/weir/Chart.yaml')) as { version: string; appVersion: string }
  expect(/^ARG VERSION=(\S+)$/m.exec(DOCKERFILE)?.[1]).toBe(version)
  expect(chart).toMatchObject({ version, appVersion: version })
})

describe('compose.yaml', () => {
  interface Service {
    readonly image: string
    readonly command?: readonly string[]
    readonly environment?: Readonly<Record<string, string>>
    readonly ports?: readonly string[]
    readonly volumes?: readonly string[]
    readonly depends_on?: readonly string[]
    readonly healthcheck?: { readonly test: readonly unknown[] }
  }
  const { services, volumes } = parse(read('compose.yaml')) as {
    services: Record<string, Service>
    volumes: Record<string, unknown>
  }
  const mounts = Object.entries(services).flatMap(([service, { volumes: list = [] }]) =>
    list.map((words) => {
      const [from = '', to = '', mode = ''] = words.split(':')
      return { service, from, to, mode }
    }),
  )
  /** What a container sees at a path, in this repository. */
  function seen(service: string, path: string): string {
    const mount = mounts.find(
      (one) => one.service === service && (path === one.to || path.startsWith(`${one.to}/`)),
    )
    return mount === undefined
      ? 'nothing is mounted there'
      : join(ROOT, mount.from, path.slice(mount.to.length))
  }

  it('publishes ports on the loopback alone, since nobody is asked who they are', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? [])
    expect(ports.length).toBeGreaterThan(0)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length)
  })

  it('asks for readiness without a shell, in words that YAML leaves whole', () => {
    const words = services['weir']?.healthcheck?.test ?? []
    expect(words[0]).toBe('CMD')
    expect(words.map((word) => typeof word)).toEqual(['string', 'string', 'string', 'string'])
  })

  it('mounts what exists, to be read, and volumes that it declares', () => {
    const files = mounts.filter(({ from }) => from.startsWith('.'))
    const named = mounts.filter(({ from }) => !from.startsWith('.')).map(({ from }) => from)
    expect(files.filter(({ from, mode }) => mode !== 'ro' || !existsSync(join(ROOT, from)))).toEqual([])
    expect(named.toSorted()).toEqual(Object.keys(volumes).toSorted())
  })

  it('names no image without a version, and waits only for services that there are', () => {
    const loose = Object.values(services).filter(
      ({ image }) => !/^[a-z./-]+:[a-z]*\d|^weir:local$/.test(image),
    )
    expect(loose).toEqual([])
    const awaited = Object.values(services).flatMap(({ depends_on: others = [] }) => others)
    expect(awaited.filter((name) => services[name] === undefined)).toEqual([])
  })

  it('starts a Weir whose words are in order', () => {
    const { command = [], environment = {} } = services['weir'] as Service
    expect(command.slice(0, 2)).toEqual(['run', '--board'])
    const config = readConfig({ flags: { board: command[2] as string }, env: environment, cwd: '/' })
    expect(config.ok ? [] : config.problems).toEqual([])
    expect(new URL(command[2] as string).hostname in services).toBe(true)
    expect(existsSync(seen('weir', environment['WEIR_POLICIES'] as string))).toBe(true)
  })

  it('lets Prometheus find Weir and the rules, and Grafana find Prometheus and the dashboard', () => {
    const prometheus = parse(readFileSync(seen('prometheus', '/etc/prometheus/prometheus.yml'), 'utf8')) as {
      rule_files: string[]
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    const targets = prometheus.scrape_configs.flatMap((job) =>
      job.static_configs.flatMap((one) => one.targets),
    )
    expect(targets).toEqual([`weir:${services['weir']?.environment?.['WEIR_OPERATOR']?.split(':')[1]}`])
    for (const file of prometheus.rule_files)
      expect(existsSync(seen('prometheus', `/etc/prometheus/${file}`))).toBe(true)

    const provisioning = '/etc/grafana/provisioning'
    const sources = parse(
      readFileSync(seen('grafana', `${provisioning}/datasources/prometheus.yaml`), 'utf8'),
    ) as {
      datasources: { url: string }[]
    }
    expect(sources.datasources.map(({ url }) => url)).toEqual(['http://prometheus:9090'])
    const boards = parse(readFileSync(seen('grafana', `${provisioning}/dashboards/weir.yaml`), 'utf8')) as {
      providers: { options: { path: string } }[]
    }
    const home = services['grafana']?.environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] as string
    expect(home.startsWith(`${boards.providers[0]?.options.path}/`)).toBe(true)
    expect(JSON.parse(readFileSync(seen('grafana', home), 'utf8'))).toMatchObject({ title: 'Weir' })
  })
})
