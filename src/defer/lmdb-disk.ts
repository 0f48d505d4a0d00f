/**
 * The disk of one machine: LMDB, which is consistent after any crash without a log to replay, writes on a thread of
 * its own, and puts what is written at the same time into one transaction and one flush.
 *
 * Each record carries a digest: LMDB has none, and a record that is not what was written must not be acted on.
 */
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import type { ShelfRecord } from './call-shelf.ts'
import { StoreError } from './deferred-store.ts'
import { lockDirectory, type DirectoryLock } from './directory-lock.ts'
import { DiskRoom, type Urgency } from '../disk-room.ts'
import { checkLmdbFile } from '../lmdb-file.ts'
import type { Disk } from './shelf-store.ts'

export interface LmdbOptions {
  readonly dir: string
  /** Bytes that the records may have in all; the map is larger. */
  readonly bytes: number
  /** Calls that may be there at once. */
  readonly calls: number
}

/** Of a SHA-256: accidents, not attackers; the boxes have tags of their own. */
const DIGEST_BYTES = 8
/** Pages that one record fills with its keys and its metadata. */
const RECORD_BYTES = 8192
/** Copy on write needs room for the pages that it replaces. */
const SPARE_BYTES = 64 * 1024 * 1024

export class LmdbDisk implements Disk {
  readonly durability =
    'On this disk: accepted calls survive the end of the process at any moment, and the loss of power as far as the disk keeps what it said was flushed.'
  readonly #options: LmdbOptions
  #lock: DirectoryLock | undefined
  #root: RootDatabase<Buffer, string> | undefined
  #room!: DiskRoom
  #records!: Database<Buffer, string>
  #calls!: Database<Buffer, string>
  #answers!: Database<Buffer, string>

  constructor(options: LmdbOptions) {
    this.#options = options
  }

  async open(): Promise<{ readonly records: readonly ShelfRecord[]; readonly damaged: number }> {
    const { dir, bytes, calls } = this.#options
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      chmodSync(dir, 0o700)
    } catch (error) {
      throw new StoreError(`the directory of deferred calls cannot be used (${codeOf(error)})`)
    }
    this.#lock = await lockDirectory(dir)
    try {
      checkLmdbFile(join(dir, 'calls.mdb'))
      this.#room = DiskRoom.of(join(dir, 'calls.mdb'))
      const before = process.umask(0o077)
      try {
        this.#root = open<Buffer, string>({
          path: join(dir, 'calls.mdb'),
          encoding: 'binary',
          mapSize: 2 * bytes + calls * RECORD_BYTES + SPARE_BYTES,
          maxDbs: 3,
          // Its own batches leave rejections that nobody hears when a commit fails (lmdb 3.5, write.js).
          eventTurnBatching: false,
        })
      } finally {
        process.umask(before)
      }
      this.#records = this.#root.openDB({ name: 'records', encoding: 'binary' })
      this.#calls = this.#root.openDB({ name: 'calls', encoding: 'binary' })
      this.#answers = this.#root.openDB({ name: 'answers', encoding: 'binary' })
      return this.#readAll()
    } catch (error) {
      await this.close()
      throw new StoreError(`the store of deferred calls cannot be opened (${codeOf(error)})`)
    }
  }

  async close(): Promise<void> {
    const root = this.#root
    this.#root = undefined
    await root?.close()
    await this.#lock?.release()
    this.#lock = undefined
  }

  async write(record: ShelfRecord, call?: Buffer | null, answer?: Buffer | null): Promise<void> {
    const { id } = record
    const packed = signed(id, record)
    const bytes = packed.length + (call?.length ?? 0) + (answer?.length ?? 0)
    await this.#commit(bytes, call instanceof Buffer ? 'new' : 'owed', () => [
      put(this.#calls, id, call),
      put(this.#answers, id, answer),
      this.#records.put(id, packed),
    ])
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#commit(0, 'owed', () =>
      ids.flatMap((id) => [this.#records.remove(id), this.#calls.remove(id), this.#answers.remove(id)]),
    )
  }

  /** One transaction, flushed when it resolves. @throws when it is not there, such as on a full disk */
  async #commit(
    bytes: number,
    urgency: Urgency,
    write: () => readonly (Promise<boolean> | undefined)[],
  ): Promise<void> {
    const root = this.#opened()
    await this.#room.during(bytes, urgency, async () => await this.#written(root, write))
  }

  async #written(
    root: RootDatabase<Buffer, string>,
    write: () => readonly (Promise<boolean> | undefined)[],
  ): Promise<void> {
    let writes: readonly (Promise<boolean> | undefined)[] = []
    const batch = root.batch(() => {
      writes = write()
    })
    // Each write reports what the batch reports: heard once is enough, unheard would end the process.
    for (const one of writes) one?.catch(ignore)
    try {
      await batch
      await root.flushed
    } catch (error) {
      if (error instanceof Error && 'commitError' in error && error.commitError instanceof Promise) {
        error.commitError.catch(ignore)
      }
      throw error
    }
  }

  call(id: string): Buffer | undefined {
    return this.#root === undefined ? undefined : this.#calls.get(id)
  }

  answer(id: string): Buffer | undefined {
    return this.#root === undefined ? undefined : this.#answers.get(id)
  }

  #opened(): RootDatabase<Buffer, string> {
    if (this.#root === undefined || this.#lock?.isHeld !== true) throw new StoreError('the store is closed')
    return this.#root
  }

  #readAll(): { readonly records: readonly ShelfRecord[]; readonly damaged: number } {
    const records: ShelfRecord[] = []
    let damaged = 0
    for (const { key, value } of this.#records.getRange()) {
      const record = unsigned(key, value)
      // It stays where it is: somebody may want to look at it.
      if (record === undefined) damaged += 1
      else records.push(record)
    }
    return { records, damaged }
  }
}

function put(
  into: Database<Buffer, string>,
  id: string,
  bytes: Buffer | null | undefined,
): Promise<boolean> | undefined {
  if (bytes === undefined) return undefined
  return bytes === null ? into.remove(id) : into.put(id, bytes)
}

function digest(id: string, json: Buffer): Buffer {
  return createHash('sha256').update(id).update(json).digest().subarray(0, DIGEST_BYTES)
}

function signed(id: string, record: ShelfRecord): Buffer {
  const json = Buffer.from(JSON.stringify(record), 'utf8')
  return Buffer.concat([digest(id, json), json])
}

function unsigned(id: string, value: Buffer): ShelfRecord | undefined {
  const json = value.subarray(DIGEST_BYTES)
  if (!digest(id, json).equals(value.subarray(0, DIGEST_BYTES))) return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the digest says that it is what was written
  return JSON.parse(json.toString('utf8')) as ShelfRecord
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error ? String(error.code) : error.message
}

function ignore(): void {}
