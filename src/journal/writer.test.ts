import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../test/kit/kept.ts'
import { createPartStore, type PartFile, type PartStore } from './part-store.ts'
import { JournalWriter, type WriterOptions } from './writer.ts'

const RUN = '0123456789abcdef'
const STARTED_AT = Date.UTC(2026, 0, 15, 9, 0, 0)

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-write-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

interface Trouble {
  readonly codes: string[]
  readonly recovered: number[]
}

function writerOf(
  store: PartStore,
  facts: Partial<WriterOptions> = {},
): { writer: JournalWriter; trouble: Trouble } {
  const trouble: Trouble = { codes: [], recovered: [] }
  const writer = new JournalWriter({
    store,
    header: (part) => `{"kind":"journal","part":${part}}`,
    maxFileBytes: 1 << 20,
    maxTotalBytes: 1 << 24,
    clock: () => performance.now(),
    onTrouble: (error) => trouble.codes.push(String((error as NodeJS.ErrnoException).code)),
    onRecovered: (dropped) => trouble.recovered.push(dropped),
    retryFromMs: 5,
    ...facts,
  })
  return { writer, trouble }
}

const onDisk = (): PartStore => createPartStore(dir, RUN, STARTED_AT)

function write(writer: JournalWriter, text: string): void {
  const bytes = Buffer.from(`${text}-and what was in the buffer before`)
  writer.write(bytes, Buffer.byteLength(text))
}

const lineOf = (n: number, padding = 40): string => `{"kind":"x","n":${n},"p":"${'p'.repeat(padding)}"}`

/** The parts as they lie there, headers included. */
function parts(): string[][] {
  return readdirSync(dir)
    .toSorted()
    .map((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
}

/** What a disk that refuses does to a file: writes `room` more bytes of it, and then says no. */
class Disk implements PartStore {
  room = Infinity
  code = 'ENOSPC'
  /** What the parts hold; the newest last. */
  readonly files: Buffer[] = []
  links = 1
  truncates = true

  async create(part: number): Promise<PartFile> {
    if (this.room <= 0) throw this.#refusal()
    const at = this.files.push(Buffer.alloc(0)) - 1
    if (at + 1 !== part) throw new Error(`part ${part} is not the next one`)
    return {
      write: async (bytes) => {
        if (this.room <= 0) throw this.#refusal()
        const taken = Math.min(bytes.length, this.room, 1000)
        this.room -= taken
        this.files[at] = Buffer.concat([this.files[at]!, bytes.subarray(0, taken)])
        return { bytesWritten: taken }
      },
      truncate: async (length) => {
        if (!this.truncates) throw this.#refusal()
        this.files[at] = this.files[at]!.subarray(0, length)
      },
      stat: async () => ({ nlink: this.links }),
      close: async () => {},
    }
  }

  async remove(part: number): Promise<void> {
    if (part !== this.files.length) throw new Error(`part ${part} is not the last one`)
    this.files.pop()
  }

  async shrink(): Promise<void> {}

  get lines(): string[] {
    return this.files.flatMap((file) =>
      file
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    )
  }

  #refusal(): Error {
    return Object.assign(new Error('no'), { code: this.code })
  }
}

/** Lines that were written, and those that gap lines own up to. */
function accounted(lines: readonly string[]): { written: number[]; told: number } {
  const parsed = lines.map((line): { kind: string; n?: number; dropped?: number } => JSON.parse(line))
  return {
    written: parsed.flatMap(({ kind, n }) => (kind === 'x' && n !== undefined ? [n] : [])),
    told: parsed.reduce((sum, { kind, dropped }) => sum + (kind === 'gap' ? (dropped ?? 0) : 0), 0),
  }
}

describe('the writer of a journal', () => {
  it('leaves one part with its header after a run without a line', async () => {
    const { writer } = writerOf(onDisk())
    await writer.open()
    await writer.close()
    expect(parts()).toEqual([['{"kind":"journal","part":1}']])
    expect(readdirSync(dir)).toEqual(['weir-20260115T090000Z-01234567-00001.ndjson'])
    expect(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o777).toBe(0o600)
  })

  it('writes a burst of one instant whole, in order, and nothing of the buffers that it was handed', async () => {
    const { writer } = writerOf(onDisk())
    for (let n = 0; n < 5000; n++) write(writer, lineOf(n))
    await writer.close()
    const [[header, ...lines]] = parts() as [string[]]
    expect(header).toBe('{"kind":"journal","part":1}')
    expect(lines).toEqual(Array.from({ length: 5000 }, (_, n) => lineOf(n)))
    expect(writer.stats).toEqual({ lines: 5000, dropped: 0 })
  })

  it('has a line on disk within a moment, without being closed', async () => {
    const { writer } = writerOf(onDisk())
    await writer.open()
    write(writer, lineOf(1))
    await eventually(() => parts()[0]?.length === 2)
    expect(parts()).toEqual([['{"kind":"journal","part":1}', lineOf(1)]])
    await writer.close()
  })

  it('begins the next part before one grows beyond its size, and takes a line that is larger than a part', async () => {
    const { writer } = writerOf(onDisk(), { maxFileBytes: 400_000 })
    for (let n = 0; n < 9000; n++) write(writer, lineOf(n, n === 7000 ? 600_000 : 60))
    await writer.close()
    const all = parts()
    expect(all.length).toBeGreaterThan(3)
    expect(all.map(([header]) => header)).toEqual(
      all.map((_, index) => `{"kind":"journal","part":${index + 1}}`),
    )
    expect(accounted(all.flat()).written).toEqual(Array.from({ length: 9000 }, (_, n) => n))
    const sizes = readdirSync(dir).map((name) => statSync(join(dir, name)).size)
    expect(sizes.filter((size) => size > 400_000)).toHaveLength(1)
  })

  it('removes the oldest parts of any run, by the last write, and nothing else', async () => {
    const old = [
      'weir-20250101T000000Z-aaaaaaaa-00001.ndjson',
      'weir-20250101T000000Z-aaaaaaaa-00002.ndjson.gz',
    ]
    for (const [index, name] of old.entries()) {
      writeFileSync(join(dir, name), 'x'.repeat(500_000))
      utimesSync(join(dir, name), index, index)
    }
    writeFileSync(join(dir, 'mine.ndjson'), 'x'.repeat(500_000))
    utimesSync(join(dir, 'mine.ndjson'), 0, 0)
    const { writer } = writerOf(onDisk(), { maxFileBytes: 300_000, maxTotalBytes: 1_000_000 })
    await writer.open()
    expect(readdirSync(dir).toSorted()).toEqual([
      'mine.ndjson',
      'weir-20250101T000000Z-aaaaaaaa-00002.ndjson.gz',
      'weir-20260115T090000Z-01234567-00001.ndjson',
    ])
    for (let n = 0; n < 30_000; n++) write(writer, lineOf(n, 60))
    await writer.close()
    const own = readdirSync(dir).filter((name) => name.startsWith('weir-'))
    expect(own).not.toContain(old[1])
    const bytes = own.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
    expect(bytes).toBeLessThanOrEqual(1_000_000)
    expect(readdirSync(dir)).toContain('mine.ndjson')
  })

  it('says at the start that it cannot write there', async () => {
    writeFileSync(join(dir, 'file'), '')
    const { writer } = writerOf(createPartStore(join(dir, 'file'), RUN, STARTED_AT))
    await expect(writer.open()).rejects.toMatchObject({ code: 'EEXIST' })
  })

  it('makes the directory, and makes it again when somebody removes it, counting what went with it', async () => {
    let now = 0
    const inner = join(dir, 'a', 'b')
    const { writer } = writerOf(createPartStore(inner, RUN, STARTED_AT), { clock: () => now })
    await writer.open()
    write(writer, lineOf(1))
    await eventually(() => writer.stats.lines === 1)
    rmSync(join(dir, 'a'), { recursive: true })
    now += 2000
    write(writer, lineOf(2))
    await eventually(() => writer.stats.dropped === 1 && writer.stats.lines === 1)
    await writer.close()
    const text = readdirSync(inner).map((name) => readFileSync(join(inner, name), 'utf8'))
    expect(accounted(text.join('').trim().split('\n'))).toEqual({ written: [2], told: 1 })
  })

  it('drops and counts what does not fit while the disk is full, and says so when it is not any more', async () => {
    const disk = new Disk()
    const { writer, trouble } = writerOf(disk, { bufferBytes: 2000 })
    await writer.open()
    disk.room = 0
    for (let n = 0; n < 100; n++) write(writer, lineOf(n))
    await eventually(() => trouble.codes.length > 2)
    expect(writer.stats.lines).toBe(0)
    expect(writer.stats.dropped).toBeGreaterThan(50)
    disk.room = Infinity
    await eventually(() => trouble.recovered.length === 1)
    write(writer, lineOf(100))
    await writer.close()
    const { written, told } = accounted(disk.lines)
    expect(written.at(-1)).toBe(100)
    expect(written.length + told).toBe(101)
    expect(writer.stats).toEqual({ lines: written.length, dropped: told })
  })

  it('takes back half a line that the disk took, and goes on behind the last whole one', async () => {
    const disk = new Disk()
    const { writer, trouble } = writerOf(disk)
    await writer.open()
    disk.room = 150
    for (let n = 0; n < 10; n++) write(writer, lineOf(n))
    await eventually(() => trouble.codes.includes('ENOSPC'))
    expect(disk.files.map(String)).toEqual(['{"kind":"journal","part":1}\n'])
    disk.room = Infinity
    await eventually(() => writer.stats.lines === 10)
    await writer.close()
    expect(disk.files).toHaveLength(1)
    expect(disk.lines).toHaveLength(11)
    expect(accounted(disk.lines).written).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('leaves a part that it cannot mend, and writes no line of it again', async () => {
    const disk = new Disk()
    const { writer, trouble } = writerOf(disk)
    await writer.open()
    disk.room = 150
    disk.truncates = false
    for (let n = 0; n < 10; n++) write(writer, lineOf(n))
    await eventually(() => trouble.codes.includes('ENOSPC'))
    disk.room = Infinity
    write(writer, lineOf(10))
    await eventually(() => writer.stats.lines === 1)
    await writer.close()
    expect(disk.files).toHaveLength(2)
    expect(accounted(disk.files[1]!.toString().trim().split('\n'))).toEqual({ written: [10], told: 10 })
  })

  it('waits for the kernel no longer than two seconds when it is told to close, and counts what is left', async () => {
    const disk = new Disk()
    const { writer } = writerOf(disk)
    await writer.open()
    disk.room = 0
    for (let n = 0; n < 10; n++) write(writer, lineOf(n))
    await writer.close()
    write(writer, lineOf(11))
    expect(writer.stats).toEqual({ lines: 0, dropped: 11 })
  })

  it('is told by a real full device what a full disk says', async () => {
    const full: PartStore = {
      create: () => open('/dev/full', 'a'),
      remove: async () => {},
      shrink: async () => {},
    }
    const { writer, trouble } = writerOf(full)
    for (let n = 0; n < 10; n++) write(writer, lineOf(n))
    await eventually(() => trouble.codes[0] === 'ENOSPC')
    await writer.close()
    expect(writer.stats).toEqual({ lines: 0, dropped: 10 })
  })

  it('accounts for every line once, written or told as dropped, whatever the disk does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ lines: fc.nat(30), room: fc.constantFrom(0, 70, 900, Infinity) }), {
          maxLength: 12,
        }),
        async (steps) => {
          const disk = new Disk()
          const { writer } = writerOf(disk, { bufferBytes: 1500, maxFileBytes: 1200, retryFromMs: 1 })
          let n = 0
          for (const step of steps) {
            disk.room = step.room
            for (let line = 0; line < step.lines; line++) write(writer, lineOf(n++))
            await new Promise((resolve) => setTimeout(resolve, 1))
          }
          disk.room = Infinity
          await writer.close()
          const { written, told } = accounted(disk.lines)
          expect(written).toEqual([...new Set(written)].toSorted((a, b) => a - b))
          expect(writer.stats).toEqual({ lines: written.length, dropped: n - written.length })
          expect(told).toBeLessThanOrEqual(n - written.length)
        },
      ),
      { numRuns: 60 },
    )
  })
})
