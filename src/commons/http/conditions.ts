/** ETags and conditional requests (RFC 9110 8.8.3, 13.1). The tag is the document's version: strong, never reused. */
import type { IncomingHttpHeaders } from 'node:http'
import { malformed } from '../refused.ts'
import type { Condition } from '../state/document.ts'

const MOST_TAGS = 32

export function etag(version: number): string {
  return `"${version}"`
}

/** @throws Refused `malformed` */
export function conditionOf(headers: IncomingHttpHeaders): Condition {
  const match = tagsOf('If-Match', headers['if-match'])
  const noneMatch = tagsOf('If-None-Match', headers['if-none-match'])
  return { ...(match === undefined ? {} : { match }), ...(noneMatch === undefined ? {} : { noneMatch }) }
}

/** A foreign tag is well formed and fits nothing. */
function tagsOf(name: string, text: string | undefined): '*' | number[] | undefined {
  if (text === undefined) return undefined
  if (text.trim() === '*') return '*'
  const tags = text.split(',').map((tag) => tag.trim())
  if (tags.length > MOST_TAGS) throw malformed(name, `${tags.length} tags`, `at most ${MOST_TAGS}`)
  return tags.map((tag) => {
    // A weak tag never fits If-Match, and for If-None-Match it is compared without its mark.
    const parts = /^(W\/)?"([\x21\x23-\x7e]*)"$/.exec(tag)
    if (parts === null) throw malformed(name, 'no entity tag', 'quoted tags, as an ETag gives them, or *')
    if (parts[1] !== undefined && name === 'If-Match') return -1
    return /^[0-9]{1,16}$/.test(parts[2]!) ? Number(parts[2]) : -1
  })
}
