/** The image: what the Dockerfile copies exists and is let through, and versions are the same wherever they stand. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

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
    readonly ports: readonly string[]
    readonly healthcheck?: { readonly test: readonly unknown[] }
  }
  const { services } = parse(read('compose.yaml')) as { services: Record<string, Service> }

  it('publishes ports on the loopback alone, since there is no authentication', () => {
    const ports = Object.values(services).flatMap((service) => service.ports)
    expect(ports.length).toBeGreaterThan(0)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('asks for readiness without a shell, in words that YAML leaves whole', () => {
    const words = services['weir']?.healthcheck?.test ?? []
    expect(words[0]).toBe('CMD')
    expect(words.map((word) => typeof word)).toEqual(['string', 'string', 'string', 'string'])
  })
})
