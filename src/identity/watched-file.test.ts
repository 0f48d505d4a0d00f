import { mkdtempSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileWatch, readSmallFile } from './watched-file.ts'

let dir = ''
let path = ''
let taken: string[]
let problems: (string | undefined)[]
let refuse: boolean
let watch: FileWatch
let age = 0
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-watched-'))
  path = join(dir, 'file')
  taken = []
  problems = []
  refuse = false
  watch = new FileWatch([
    {
      path,
      take: (text) => {
        if (refuse) throw new Error('not in order')
        taken.push(text)
      },
      onLook: (_path, problem) => problems.push(problem),
    },
  ])
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** With a time of its own, whatever the clock of the file system can tell apart. */
function write(text: string): void {
  writeFileSync(path, text)
  age += 1
  utimesSync(path, age, age)
}

it('takes a file when it is another, and not again', async () => {
  write('one')
  await watch.look()
  await watch.look()
  write('two')
  await watch.look()
  expect(taken).toEqual(['one', 'two'])
  expect(problems).toEqual([undefined, undefined])
})

it('takes nothing of a file that is emptied first and then written', async () => {
  write('')
  const looked = watch.look()
  await new Promise((resolve) => setImmediate(resolve))
  write('whole')
  await looked
  expect(taken).not.toContain('')
  await watch.look()
  expect(taken).toEqual(['whole'])
})

it('takes what a swapped symlink leads to', async () => {
  writeFileSync(join(dir, 'a'), 'one')
  writeFileSync(join(dir, 'b'), 'two')
  symlinkSync('a', path)
  await watch.look()
  unlinkSync(path)
  symlinkSync('b', path)
  await watch.look()
  expect(taken).toEqual(['one', 'two'])
})

it('says once that a file is refused, each time that it is gone, and when all is well again', async () => {
  write('one')
  await watch.look()
  refuse = true
  write('two')
  await watch.look()
  await watch.look()
  rmSync(path)
  await watch.look()
  refuse = false
  write('one')
  await watch.look()
  expect(taken).toEqual(['one', 'one'])
  expect(problems[0]).toBeUndefined()
  expect(problems[1]).toBe('not in order')
  expect(problems[2]).toMatch(/ENOENT/)
  expect(problems.slice(3)).toEqual([undefined])
})

it('does not read what is too large', async () => {
  write('x'.repeat(1024 * 1024 + 1))
  await watch.look()
  expect(taken).toEqual([])
  expect(problems[0]).toMatch(/1048577 bytes/)
  expect(() => readSmallFile(path)).toThrow(/more than 1048576 bytes/)
  expect(() => readSmallFile(join(dir, 'none'))).toThrow(/cannot be read \(ENOENT\)/)
})
