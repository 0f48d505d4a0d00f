/**
 * `weir keys`: makes, lists and takes away API keys of agents. The file keeps a hash of each; the key itself is printed
 * once. A running Weir follows the file.
 */
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { AGENT_NAME_ALLOWED, isAgentName } from '../identity/agent-name.ts'
import { KEY_ID, KEY_ID_ALLOWED, newKey, type KeyRecord } from '../identity/api-key.ts'
import { readKeys, withKey, withoutKey } from '../identity/keys-file.ts'
import { namedSource } from '../policy/document.ts'
import { problemAt } from '../policy/problems.ts'
import { parseDuration } from '../policy/units.ts'
import { ConfigError } from '../config.ts'

const DAY_MS = 86_400_000
const DEFAULT_FILE = 'keys.yaml'
/** For the operator and nobody else, though it holds no secret. */
const FILE_MODE = 0o600

export interface NewKeyRequest {
  readonly file: string
  readonly agent: string
  /** A duration such as `90d` or `12h`; undefined = for ever. */
  readonly expires?: string | undefined
  readonly id?: string | undefined
  /** Wall clock in ms. */
  readonly now: number
}

/** Adds a key to the file, and returns what its agent has to show. @throws ConfigError */
export function addKey({ file, agent, expires, id, now }: NewKeyRequest): string {
  if (!isAgentName(agent))
    throw mistake('--agent', `--agent ${JSON.stringify(agent.slice(0, 64))}`, AGENT_NAME_ALLOWED)
  if (id !== undefined && !KEY_ID.test(id)) throw mistake('--id', '--id', KEY_ID_ALLOWED)
  const livesMs = expires === undefined ? Infinity : lifetime(expires)
  const { record, key } = newKey(agent, now, now + livesMs, id)
  change(file, (text) => withKey(file, text, record))
  return key
}

/** @returns false = there is no key of that id. @throws ConfigError */
export function revokeKey(file: string, id: string): boolean {
  let isThere = true
  change(file, (text) => {
    const without = withoutKey(file, text, id)
    isThere = without !== undefined
    return without ?? text
  })
  return isThere
}

/** @throws ConfigError */
export function listKeys(file: string): readonly KeyRecord[] {
  if (!existsSync(file)) throw mistake(file, 'cannot be read', 'a file of keys', '`weir keys new` makes one')
  const read = readKeys(file, readFileSync(file, 'utf8'))
  if (read.ok) return read.records
  throw mistake(file, read.problems.join('; '), 'a file of keys')
}

export function keyTable(records: readonly KeyRecord[], now: number): string {
  const rows = records.map(({ id, agent, createdAt, expiresAt }) => [
    id,
    agent,
    shown(createdAt === 0 ? Infinity : createdAt),
    shown(expiresAt),
    expiresAt <= now ? 'over' : 'in force',
  ])
  const table = [['ID', 'AGENT', 'MADE', 'EXPIRES', 'STATE'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function keysCommand(): Command {
  const command = new Command('keys').description('make, list and take away API keys of agents')
  command
    .command('new')
    .description('make a key; it is printed once, the file keeps its hash')
    .requiredOption('--agent <name>', 'whose key it is')
    .option('--file <file>', 'file of keys', DEFAULT_FILE)
    .option('--expires <duration>', 'how long it counts, such as 90d or 12h (default: for ever)')
    .option('--id <id>', 'what stands before the dot (default: random)')
    .action(
      ({ agent, file, expires, id }: { agent: string; file: string; expires?: string; id?: string }) => {
        const key = addKey({ file, agent, expires, id, now: Date.now() })
        process.stdout.write(`${key}\n`)
        process.stderr.write(`${agent} shows it as weir-key; it is in no file: keep it now.\n`)
      },
    )
  command
    .command('list')
    .description('ids, agents and ends of the keys')
    .option('--file <file>', 'file of keys', DEFAULT_FILE)
    .action(({ file }: { file: string }) => {
      process.stdout.write(`${keyTable(listKeys(file), Date.now())}\n`)
    })
  command
    .command('revoke')
    .description('take a key away; a running Weir refuses it within seconds')
    .argument('<id>', 'what stands before the dot of the key')
    .option('--file <file>', 'file of keys', DEFAULT_FILE)
    .action((id: string, { file }: { file: string }) => {
      if (revokeKey(file, id)) process.stdout.write(`${id} is taken away\n`)
      else
        throw mistake(
          file,
          `no key has the id ${JSON.stringify(id.slice(0, 64))}`,
          'an id of `weir keys list`',
        )
    })
  return command
}

/** Written beside and moved over: whoever reads sees one or the other, whole. */
function change(file: string, edit: (text: string) => string): void {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  let next: string
  try {
    next = edit(text)
  } catch (error) {
    throw mistake(file, error instanceof Error ? error.message : 'not in order', 'a file of keys')
  }
  if (next === text) return
  const beside = `${file}.${process.pid}.new`
  const mode = existsSync(file) ? statSync(file).mode & 0o777 : FILE_MODE
  writeFileSync(beside, next, { mode })
  chmodSync(beside, mode)
  renameSync(beside, file)
}

function lifetime(text: string): number {
  const days = /^([1-9][0-9]{0,4})d$/.exec(text)
  const ms = days === null ? parseDuration(text) : Number(days[1]) * DAY_MS
  if (ms === undefined || ms <= 0)
    throw mistake(
      '--expires',
      `--expires ${JSON.stringify(text.slice(0, 32))}`,
      'a duration such as 90d or 12h',
    )
  return ms
}

function shown(at: number): string {
  return at === Infinity ? '-' : new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}

function mistake(where: string, found: string, allowed: string, fix = 'change it'): ConfigError {
  return new ConfigError([problemAt(namedSource(where), [], { found, allowed, fix })])
}
