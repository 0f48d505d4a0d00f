/** What is installed, by name and checksum, and what of it may run code while it is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Locked {
  readonly resolved?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
}

const ROOT = join(import.meta.dirname, '..', '..')

function locked(): [at: string, Locked][] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Locked>>
  }
  return Object.entries(packages).filter(([at]) => at !== '')
}

/** They fetch or build binaries that are also optional packages of their own; Weir works without their scripts. */
const WITH_SCRIPTS = ['node_modules/esbuild', 'node_modules/lmdb', 'node_modules/msgpackr-extract']

describe('the lock file', () => {
  it('takes nothing from a repository or by plain HTTP', () => {
    const foreign = locked().filter(
      ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https:'),
    )
    expect(foreign).toEqual([])
  })

  it('has a checksum for each package that every platform gets', () => {
    const unchecked = locked().filter(
      ([, { integrity, optional }]) => integrity === undefined && optional !== true,
    )
    expect(unchecked).toEqual([])
  })

  it('holds no package with an install script beyond those that are known', () => {
    const scripts = locked().flatMap(([at, { hasInstallScript }]) => (hasInstallScript === true ? [at] : []))
    expect(scripts.filter((at) => at !== 'node_modules/fsevents').toSorted()).toEqual(WITH_SCRIPTS)
  })
})

it('the image runs no install script, and has its bill of materials', () => {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  const installs = text.split('\n').filter((line) => /npm (ci|install|uninstall)/.test(line))
  expect(installs.length).toBeGreaterThan(0)
  for (const line of installs) expect(line).toContain('--ignore-scripts')
  expect(text).toContain('npm sbom')
})
