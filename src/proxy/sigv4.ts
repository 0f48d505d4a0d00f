/**
 * AWS Signature Version 4 in headers ("Create a signed AWS API request", AWS IAM user guide): for a call that left its
 * agent for Weir and has to be signed for the upstream's own host and path. Checked against the library of the AWS SDK
 * in test/e2e. For all services but S3, which escapes paths otherwise.
 */
import { createHash, createHmac } from 'node:crypto'

export interface AwsSigning {
  readonly region: string
  readonly service: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** '' = the keys are not temporary. */
  readonly sessionToken: string
}

export interface SignedRequest {
  readonly method: string
  /** Origin-form with its query, as it is sent. */
  readonly target: string
  /** `host:port` as it is sent. */
  readonly host: string
  /** Flat names and values; those that are signed besides `host` are `content-type` and `x-amz-*`. */
  readonly headers: readonly string[]
  /** Hex SHA-256 of the body, or a word that the service takes in its place. */
  readonly payloadHash: string
}

const ALGORITHM = 'AWS4-HMAC-SHA256'

/**
 * @param wallMs AWS refuses what is more than 5 minutes off
 * @returns flat names and values to send besides `request.headers`, which must have none of these
 */
export function signatureV4(request: SignedRequest, signing: AwsSigning, wallMs: number): string[] {
  const date = new Date(wallMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${date.slice(0, 8)}/${signing.region}/${signing.service}/aws4_request`
  const added = ['x-amz-date', date, 'x-amz-content-sha256', request.payloadHash]
  if (signing.sessionToken !== '') added.push('x-amz-security-token', signing.sessionToken)
  const fields = canonicalFields(request.host, [...request.headers, ...added])
  const signed = [...fields.keys()].join(';')
  const at = request.target.indexOf('?')
  const path = at === -1 ? request.target : request.target.slice(0, at)
  const canonical = [
    request.method,
    path.split('/').map(escaped).join('/'),
    at === -1 ? '' : canonicalQuery(request.target.slice(at + 1)),
    ...[...fields].map(([name, value]) => `${name}:${value}`),
    '',
    signed,
    request.payloadHash,
  ].join('\n')
  const toSign = [ALGORITHM, date, scope, sha256(canonical)].join('\n')
  const signature = hmac(keyOf(signing, date.slice(0, 8)), toSign).toString('hex')
  const credential = `${signing.accessKeyId}/${scope}`
  const value = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`
  return [...added, 'authorization', value]
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** In order of their names, as they are signed. */
function canonicalFields(host: string, headers: readonly string[]): Map<string, string> {
  const fields: [string, string][] = [['host', host]]
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    if (name !== 'content-type' && !name.startsWith('x-amz-')) continue
    const value = headers[index + 1]!.trim().replace(/ +/g, ' ')
    const before = fields.find(([known]) => known === name)
    if (before === undefined) fields.push([name, value])
    else before[1] += `,${value}`
  }
  return new Map(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=')
      const [name, value] = equals === -1 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)]
      return [escaped(decoded(name)), escaped(decoded(value))] as const
    })
    .toSorted(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** RFC 3986 with its unreserved characters alone; a path that is escaped already is escaped twice, as AWS wants it. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function keyOf({ secretAccessKey, region, service }: AwsSigning, day: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), service), 'aws4_request')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
