/** Credentials of upstreams that Weir puts on calls itself, so that agents hold none. From the config, or from files. */
import { readSmallFile, type WatchedFile } from './watched-file.ts'

/** Where agents and their tools put theirs: taken away where Weir puts on its own. */
export const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-amz-security-token',
  'x-auth-token',
  'x-functions-key',
  'ocp-apim-subscription-key',
])

export type CredentialValue =
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'file'; readonly path: string; readonly prefix: string }

/** Printable ASCII without a space at either end: what may stand in a header. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?$/

export class UpstreamCredentials {
  /** Flat list of names and values, ready for a head; replaced, never changed. */
  headers: readonly string[] = []
  readonly #values = new Map<string, string>()
  readonly #files: readonly WatchedFile[]

  /** @throws with a sentence for people when a file is not in order */
  constructor(configured: Readonly<Record<string, CredentialValue>>) {
    const files: WatchedFile[] = []
    for (const [name, value] of Object.entries(configured)) {
      if (value.is === 'text') {
        this.#values.set(name, value.text)
        continue
      }
      const { path, prefix } = value
      const take = (text: string): void => this.#set(name, prefix + text.trim())
      take(readSmallFile(path))
      files.push({ path, take })
    }
    this.#files = files
    this.#write()
  }

  /** Files to watch. */
  get files(): readonly WatchedFile[] {
    return this.#files
  }

  #set(name: string, value: string): void {
    if (!HEADER_VALUE.test(value)) throw new Error('it holds nothing that may stand in a header')
    this.#values.set(name, value)
    this.#write()
  }

  #write(): void {
    this.headers = [...this.#values].flat()
  }
}
