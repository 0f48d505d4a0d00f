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

it('the lock file lists every optional dependency of every package, whatever the platform', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
  const missing = Object.entries(packages).flatMap(([at, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined &&
        packages[`${at}/node_modules/${name}`] === undefined,
    ),
  )
  expect(missing).toEqual([])
})
