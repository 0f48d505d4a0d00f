/**
 * One process per directory, by a lock file that outlives a crash without blocking the next start: it names its
 * owner, and an owner that is not alive any more does not count.
 *
 * A process is known by its number and the tick at which it started (Linux, `/proc/<pid>/stat` field 22), for numbers
 * are used again and in a container all of them are 1. An owner on another host cannot be asked: its file is stale
 * when it has not been touched for a while.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Millis } from '../core/model.ts'
import { StoreError } from './deferred-store.ts'

export interface DirectoryLock {
  /** False once somebody else has taken the directory: write nothing more. */
  readonly isHeld: boolean
  release(): Promise<void>
}

interface Owner {
  readonly host: string
  readonly pid: number
  /** '' = not known on this system. */
  readonly started: string
  readonly token: string
}

const TOUCH_EVERY_MS: Millis = 5000
const STALE_AFTER_MS: Millis = 30_000
/** Takeovers of a stale file that may cross each other. */
const TRIES = 5

/** @throws StoreError when somebody alive has the directory */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const path = join(dir, 'lock')
  const owner: Owner = {
    host: hostname(),
    pid: process.pid,
    started: startOf(process.pid),
    token: randomBytes(8).toString('hex'),
  }
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await create(path, owner)) return hold(path, owner)
    const other = await ownerOf(path)
    if (other !== undefined && (await isAlive(other, path))) {
      throw new StoreError(
        `the directory of deferred calls is in use by process ${other.pid} on ${other.host}: one process per directory`,
      )
    }
    await takeAway(path, other)
  }
  throw new StoreError('the lock of the directory of deferred calls cannot be taken')
}

async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(owner), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw new StoreError('the directory of deferred calls cannot be written')
  }
}

/** Two who find the same stale file: the one whose rename succeeds has it, and puts back what was not stale. */
async function takeAway(path: string, seen: Owner | undefined): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await rename(path, aside)
    const moved = await ownerOf(aside)
    if (moved?.token === seen?.token) await unlink(aside)
    else await rename(aside, path)
  } catch {
    // Somebody else was faster: the next try sees whose it is.
  }
}

function hold(path: string, owner: Owner): DirectoryLock {
  let isHeld = true
  const touch = async (): Promise<void> => {
    const now = await ownerOf(path)
    if (now?.token === owner.token) await utimes(path, new Date(), new Date()).catch(ignore)
    else isHeld = false
  }
  const timer = setInterval(() => void touch(), TOUCH_EVERY_MS)
  timer.unref()
  return {
    get isHeld() {
      return isHeld
    },
    async release() {
      clearInterval(timer)
      isHeld = false
      const now = await ownerOf(path)
      if (now?.token === owner.token) await unlink(path).catch(ignore)
    },
  }
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isOwner(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isOwner(value: unknown): value is Owner {
  return typeof value === 'object' && value !== null && 'pid' in value && 'host' in value && 'token' in value
}

async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) {
    const touched = await stat(path).catch(() => undefined)
    return touched !== undefined && Date.now() - touched.mtimeMs < STALE_AFTER_MS
  }
  const started = startOf(owner.pid)
  if (started !== '' || owner.started !== '') return started === owner.started
  try {
    process.kill(owner.pid, 0)
    return true
  } catch {
    return false
  }
}

/** When a process started, in ticks since boot; '' = there is none, or the system does not say. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything; the state that follows it is field 3.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function ignore(): void {}
