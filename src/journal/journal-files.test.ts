import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { journalFiles } from './journal-files.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-files-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function put(...path: string[]): string {
  const file = join(dir, ...path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, '')
  return file
}

describe('the files of a journal', () => {
  it('are the parts of a directory, packed or not, in the order of their numbers', () => {
    const tenth = put('weir-10.ndjson')
    const ninth = put('weir-9.ndjson.gz')
    put('notes.txt')
    expect(journalFiles(dir)).toEqual([ninth, tenth])
    expect(journalFiles(tenth)).toEqual([tenth])
  })

  it('are those of each worker too, one worker after the other', () => {
    const own = put('weir-1.ndjson')
    const tenth = put('worker-10', 'weir-1.ndjson')
    const [first, second] = [put('worker-2', 'weir-1.ndjson'), put('worker-2', 'weir-2.ndjson')]
    put('elsewhere', 'weir-1.ndjson')
    expect(journalFiles(dir)).toEqual([own, first, second, tenth])
  })
})
