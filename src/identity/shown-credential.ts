/**
 * What a request shows to Weir. `weir-key` always counts. Where Weir puts on the upstream's credential itself, and on
 * Weir's own paths, the places that SDKs put theirs in are free for Weir's: an SDK then needs its `apiKey` and nothing
 * else. Never a query: it ends in logs, in histories and in referrers.
 */

export const KEY_HEADER = 'weir-key'
const FORWARDED_HEADER = 'x-forwarded-client-cert'

/** Where SDKs put a key, in the order in which they count. */
const BORROWED = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const
/** Browsers put it into the handshake of a WebSocket, as the OpenAI SDK does (wire.md 5). */
const PROTOCOLS = 'sec-websocket-protocol'
const PROTOCOL_KEY = 'openai-insecure-api-key.'

/** Lengths of the names that are looked at: most headers cost one comparison. */
const LENGTHS: ReadonlySet<number> = new Set(
  [KEY_HEADER, FORWARDED_HEADER, PROTOCOLS, ...BORROWED].map((name) => name.length),
)

/** Reused for every request: read it at once. */
export class ShownCredential {
  /** '' = nothing was shown. */
  text = ''
  /** Several lines of `weir-key`: nobody can say which one counts. */
  isAmbiguous = false
  /** Value of `x-forwarded-client-cert`; '' = none, or several. */
  forwarded = ''

  /** @param mayBorrow the places of SDKs are Weir's */
  read(rawHeaders: readonly string[], mayBorrow: boolean): void {
    this.text = ''
    this.isAmbiguous = false
    this.forwarded = ''
    let rank = BORROWED.length + 1
    let isForwardedTwice = false
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      const name = rawHeaders[index]!
      if (!LENGTHS.has(name.length)) continue
      const value = rawHeaders[index + 1]!
      const lower = name.toLowerCase()
      if (lower === KEY_HEADER) {
        if (rank === -1) this.isAmbiguous = true
        rank = -1
        this.text = value.trim()
      } else if (lower === FORWARDED_HEADER) {
        isForwardedTwice = this.forwarded !== ''
        this.forwarded = value
      } else if (mayBorrow && rank > 0) {
        const place = lower === PROTOCOLS ? BORROWED.length : BORROWED.findIndex((known) => known === lower)
        const text = place === -1 || place >= rank ? '' : borrowedText(place, value)
        if (text === '') continue
        rank = place
        this.text = text
      }
    }
    if (isForwardedTwice) this.forwarded = ''
  }
}

function borrowedText(place: number, value: string): string {
  if (place === BORROWED.length) {
    const protocol = value.split(',').find((part) => part.trim().startsWith(PROTOCOL_KEY))
    return protocol === undefined ? '' : protocol.trim().slice(PROTOCOL_KEY.length)
  }
  if (place > 0) return value.trim()
  const space = value.indexOf(' ')
  // Only what an SDK sends by itself: Basic and the signatures of clouds are none of Weir's.
  return value.slice(0, space).toLowerCase() === 'bearer' ? value.slice(space + 1).trim() : ''
}
