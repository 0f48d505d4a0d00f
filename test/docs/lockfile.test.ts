/**
 * `npm ci` refuses a lock file that lacks the binaries of other platforms. A registry mirror that carries only
 * those of one platform makes `npm install` write such a file: seen here, not on the machine of a newcomer.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

interface Locked {
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const LOCKED = ['.', 'bench', 'examples', 'test/e2e', 'test/helm/types']

it.each(LOCKED)('%s: the lock file lists every optional dependency, whatever the platform', (folder) => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', folder, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
  // '..' is Weir itself, linked: what it needs is in its own.
  const own = Object.entries(packages).filter(([at]) => !at.startsWith('..'))
  const missing = own.flatMap(([at, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined &&
        packages[`${at}/node_modules/${name}`] === undefined,
    ),
  )
  expect(missing).toEqual([])
})
