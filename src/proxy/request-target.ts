/**
 * The path of a request target, checked and in its normal form, so that Weir, its rules and the upstream read the
 * same path (promises.md 28). Normal form after RFC 3986 6.2.2: escapes of unreserved characters decoded, all
 * other escapes in capitals. What two readers could understand differently is refused, not repaired: empty and
 * dot segments (also escaped ones, also between `%2F`), backslashes, fragments, NUL, broken escapes, bytes
 * outside printable ASCII. `%2F` stays an escape and separates nothing.
 */

const PERCENT = 0x25
const BACKSLASH = 0x5c
const HASH = 0x23
const DOT = 0x2e
const SEMICOLON = 0x3b
const NOT_HEX = -1

/** '' = fine so far, else why the text is refused. `isPath`: backslashes and `#` count. */
function badCharacter(text: string, isPath: boolean): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f) return 'the request target has a byte outside printable ASCII'
    if (code === HASH) return 'the request target has a fragment'
    if (isPath && code === BACKSLASH) return 'the path has a backslash'
  }
  return ''
}

/** Why a query cannot be forwarded as it is; '' = it can. Its escapes are the upstream's business. */
export function refuseQuery(query: string): string {
  return badCharacter(query, false)
}

/**
 * @param raw the path as sent, up to `?`; begins with `/`
 * @returns the normal form, or why the path is refused (then it does not begin with `/`)
 */
export function normalPath(raw: string): string {
  const bad = badCharacter(raw, true)
  if (bad !== '') return bad
  const path = raw.includes('%') ? decodeUnreserved(raw) : raw
  if (!path.startsWith('/')) return path
  return hasAmbiguousSegment(path) ? 'the path has an empty or a dot segment' : path
}

/** Empty segments are refused except after the last `/`; dot segments everywhere. */
function hasAmbiguousSegment(path: string): boolean {
  let from = 1
  while (from <= path.length) {
    let to = path.indexOf('/', from)
    if (to === -1) to = path.length
    else if (to === from) return true
    if (hasDotPart(path, from, to)) return true
    from = to + 1
  }
  return false
}

/** A reader that takes `%2F` for a separator must not find a dot segment either. */
function hasDotPart(path: string, from: number, to: number): boolean {
  let start = from
  while (start <= to) {
    let end = start
    while (end < to && !isEscapedSlash(path, end)) end++
    let dots = 0
    while (dots < 3 && path.charCodeAt(start + dots) === DOT) dots++
    // Servlet containers take `..;x` for `..`: path parameters go before segments are looked at.
    const isAll = start + dots === end || path.charCodeAt(start + dots) === SEMICOLON
    if (dots > 0 && dots < 3 && isAll) return true
    start = end + 3
  }
  return false
}

function isEscapedSlash(path: string, at: number): boolean {
  return (
    path.charCodeAt(at) === PERCENT && path.charCodeAt(at + 1) === 0x32 && path.charCodeAt(at + 2) === 0x46
  )
}

function decodeUnreserved(raw: string): string {
  let out = ''
  let copied = 0
  for (let i = raw.indexOf('%'); i !== -1; i = raw.indexOf('%', i + 3)) {
    const high = hexValue(raw.charCodeAt(i + 1))
    const low = hexValue(raw.charCodeAt(i + 2))
    if (high === NOT_HEX || low === NOT_HEX) return 'the path has a broken escape'
    const code = high * 16 + low
    if (code === 0) return 'the path has an escaped NUL'
    if (code === BACKSLASH) return 'the path has an escaped backslash'
    out += raw.slice(copied, i)
    out += isUnreserved(code) ? String.fromCharCode(code) : raw.slice(i, i + 3).toUpperCase()
    copied = i + 3
  }
  return out + raw.slice(copied)
}

/** `charCodeAt` beyond the end is NaN, which is no digit either. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : NOT_HEX
}

/** RFC 3986 2.3. */
function isUnreserved(code: number): boolean {
  if (code >= 0x30 && code <= 0x39) return true
  const lower = code | 0x20
  if (lower >= 0x61 && lower <= 0x7a) return true
  return code === DOT || code === 0x2d || code === 0x5f || code === 0x7e
}
