/** Asks a running Weir for what is in its commons, as any agent would; for the verbs that only look. */
import { readFileSync } from 'node:fs'
import { InvalidArgumentError, type Command } from 'commander'

/** As commander names them. */
export interface CommonsFlags {
  readonly weir: URL
  readonly as?: string
  readonly keyFile?: string
  readonly json?: boolean
}

/** Nothing came that could be shown; `message` says why and what to do. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** A page of the commons is at most some megabytes, and read within milliseconds. */
const PATIENCE_MS = 10_000
const MOST_BYTES = 64 * 1024 * 1024
const KEY_VARIABLE = 'WEIR_KEY'

/** Options that every such verb has. */
export function withCommonsOptions(command: Command): Command {
  return command
    .option(
      '--weir <url>',
      "the agents' listener of a running Weir",
      weirUrl,
      new URL('http://127.0.0.1:8080'),
    )
    .option('--as <agent>', 'the name to ask under, where names are claims')
    .option(
      '--key-file <file>',
      `a file with the key to show, where there are keys (default: $${KEY_VARIABLE})`,
    )
    .option('--json', 'print the answer as JSON')
}

/** Runs a verb; what it cannot answer becomes one line and exit code 1. */
export async function answering(verb: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error
    process.stderr.write(`weir ${verb}: ${error.message}\n`)
    process.exitCode = 1
  }
}

/** GET below `/weir/v1`. @throws NoAnswerError */
export async function askCommons(
  flags: CommonsFlags,
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
): Promise<unknown> {
  const url = new URL(`/weir/v1${path}`, flags.weir)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, value)
  const answer = await fetch(url, {
    headers: { accept: 'application/json', ...callerHeaders(flags) },
    signal: AbortSignal.timeout(PATIENCE_MS),
    redirect: 'error',
  }).catch((error: unknown) => {
    throw new NoAnswerError(
      `nothing answers at ${url.origin} (${reasonOf(error)}): start Weir, or name its agents' listener with --weir http://host:port`,
    )
  })
  const body = await bodyOf(answer)
  if (answer.ok && body !== undefined) return body
  throw new NoAnswerError(refusalOf(answer.status, body, url))
}

function callerHeaders({ as, keyFile }: CommonsFlags): Record<string, string> {
  const key = keyFile === undefined ? process.env[KEY_VARIABLE] : keyOf(keyFile)
  return {
    ...(as === undefined ? {} : { 'weir-agent': as }),
    ...(key === undefined || key === '' ? {} : { 'weir-key': key }),
  }
}

function keyOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new NoAnswerError(`the key file cannot be read (${reasonOf(error)})`)
  }
}

/** Undefined = it is no JSON, or too much of it. */
async function bodyOf(answer: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of answer.body ?? []) {
      bytes += chunk.length
      if (bytes > MOST_BYTES) return undefined
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

function refusalOf(status: number, body: unknown, url: URL): string {
  const detail = textOf(body, 'detail')
  if (status === 404 && textOf(body, 'code') === 'unknown') return detail
  if (status === 404) {
    return `${url.origin} has no ${url.pathname}: its commons is off (set commons.store in weir.yaml), or it is not the agents' listener of Weir (--weir http://host:port)`
  }
  const what = detail === '' ? 'nothing that Weir would say' : detail
  const hint = status === 401 ? ` (show a key: --key-file, or $${KEY_VARIABLE})` : ''
  return `${url.origin} answers ${status}: ${what}${hint}`
}

function textOf(body: unknown, name: string): string {
  if (typeof body !== 'object' || body === null) return ''
  const value: unknown = Object.entries(body).find(([key]) => key === name)?.[1]
  return typeof value === 'string' ? value : ''
}

function weirUrl(text: string): URL {
  const full = /^https?:\/\//.test(text) ? text : `http://${text}`
  if (!URL.canParse(full)) throw new InvalidArgumentError('It must be like http://127.0.0.1:8080.')
  return new URL(full)
}

function reasonOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : undefined
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer in ${PATIENCE_MS / 1000} s`
  return error instanceof Error ? error.message : 'no answer'
}
