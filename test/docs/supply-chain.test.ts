/** What is installed, by name and checksum, and what of it may run code while it is. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Locked {
  readonly resolved?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly link?: boolean
  readonly hasInstallScript?: boolean
}

const ROOT = join(import.meta.dirname, '..', '..')

/** Without Weir itself, which the examples link. */
function locked(folder: string): [at: string, Locked][] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, folder, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Locked>>
  }
  return Object.entries(packages).filter(
    ([at, { link }]) => at !== '' && !at.startsWith('..') && link !== true,
  )
}

/** By lock file: they fetch or build binaries that are also optional packages of their own, or print; none is needed. */
const WITH_SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  '.': ['esbuild', 'lmdb', 'msgpackr-extract'],
  bench: ['@portkey-ai/gateway'],
  examples: ['@swc/core', 'esbuild', 'msgpackr-extract', 'protobufjs'],
  'test/e2e': ['protobufjs'],
  'test/helm/types': [],
}

describe.each(Object.keys(WITH_SCRIPTS))('the lock file of %s', (folder) => {
  it('takes nothing from a repository or by plain HTTP', () => {
    const foreign = locked(folder).filter(
      ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https:'),
    )
    expect(foreign).toEqual([])
  })

  it('has a checksum for each package that every platform gets', () => {
    const unchecked = locked(folder).filter(
      ([, { integrity, optional }]) => integrity === undefined && optional !== true,
    )
    expect(unchecked).toEqual([])
  })

  it('holds no package with an install script beyond those that are known', () => {
    const scripts = locked(folder).flatMap(([at, { hasInstallScript }]) =>
      hasInstallScript === true ? [at.replace(/^.*node_modules\//, '')] : [],
    )
    expect([...new Set(scripts)].filter((name) => name !== 'fsevents').toSorted()).toEqual(
      WITH_SCRIPTS[folder],
    )
  })
})

/** Folders with a lock file, without what is installed or built. */
function withLocks(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'package-lock.json') return [folder]
    const isOurs = entry.isDirectory() && !/^(\.git|node_modules|dist)$/.test(entry.name)
    return isOurs ? withLocks(join(folder, entry.name)) : []
  })
}

it('no lock file of the repository is left out', () => {
  expect(withLocks('.').toSorted()).toEqual(Object.keys(WITH_SCRIPTS).toSorted())
})

/** @param id npm keeps what it made of an advisory by its number */
function hole(id: number, severity: string): object {
  const url = `https://example.com/${id}`
  return { pino: [{ id, url, title: 'a hole', severity, vulnerable_versions: '*' }] }
}

describe('the audit', () => {
  let registry: Server
  let answer: { readonly status: number; readonly body: object }
  let origin: string
  beforeAll(async () => {
    registry = createServer((request, response) => {
      request.resume()
      const packument = { name: request.url!.slice(1), 'dist-tags': {}, versions: {} }
      const { status, body } = request.method === 'POST' ? answer : { status: 200, body: packument }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`
  })
  afterAll(() => registry.close())

  const audit = async (status: number, body: object): Promise<{ code: number; text: string }> => {
    answer = { status, body }
    const env = { ...process.env, npm_config_registry: origin, npm_config_fetch_retries: '0' }
    const run = promisify(execFile)(join(ROOT, '.ci', 'audit'), { env })
    return await run.then(
      ({ stdout }) => ({ code: 0, text: stdout }),
      (error: { code: number; stderr: string }) => ({ code: error.code, text: error.stderr }),
    )
  }

  it('goes on where the registry offers none, and says so', async () => {
    for (const status of [404, 405])
      expect(await audit(status, {})).toEqual({ code: 0, text: expect.stringContaining('offers none') })
  })

  it('fails on what it finds in what users install, and on nothing that is lower', async () => {
    expect(await audit(200, hole(1, 'high'))).toMatchObject({
      code: 1,
      text: expect.stringContaining('a hole'),
    })
    expect((await audit(200, hole(2, 'moderate'))).code).toBe(0)
    expect((await audit(200, {})).code).toBe(0)
  })

  it('fails when the registry does', async () => {
    expect((await audit(500, {})).code).toBe(1)
  })
})

it('the image runs no install script, and has its bill of materials', () => {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  const installs = text.split('\n').filter((line) => /npm (ci|install|uninstall)/.test(line))
  expect(installs.length).toBeGreaterThan(0)
  for (const line of installs) expect(line).toContain('--ignore-scripts')
  expect(text).toContain('npm sbom')
})
