/**
 * Which row of `core/families.ts` a client belongs to, from its user agent and a few other headers (wire.md 2).
 * SDKs whose rules changed between versions are split into bands by the version on the wire; an unknown version
 * falls into the band with the smallest ceiling.
 */
import { readCount } from './header-values.ts'
import { RecentMap } from './recent-map.ts'

export interface ClientMarks {
  readonly userAgent: string
  /** `x-stainless-lang`, as sent; '' = none. */
  readonly sdkLang: string
  /** `x-stainless-package-version`; '' = none. */
  readonly sdkVersion: string
  /** Any `mcp-*` header. */
  readonly isMcp: boolean
  /** `anthropic-version` is there. */
  readonly isAnthropic: boolean
  /** `anthropic-dangerous-direct-browser-access`: LangChain sets it around the Anthropic SDK. */
  readonly hasBrowserAccess: boolean
  /** `accept-language: *`: what Node's fetch says and undici's request does not. */
  readonly isFetch: boolean
}

interface Band {
  readonly family: string
  readonly major: number
  readonly minor: number
}

/** Newest first; the last band takes every other version. Boundaries: wire.md 3, read and run per version. */
const BANDS: Readonly<Record<string, readonly Band[]>> = {
  'openai-js': [
    { family: 'openai-js', major: 7, minor: 20 },
    { family: 'openai-js-6', major: 6, minor: 49 },
    { family: 'openai-js-4', major: 0, minor: 0 },
  ],
  'openai-py': [
    { family: 'openai-py', major: 2, minor: 52 },
    { family: 'openai-py-2', major: 0, minor: 0 },
  ],
  'anthropic-js': [
    { family: 'anthropic-js', major: 1, minor: 0 },
    { family: 'anthropic-js-0', major: 0, minor: 0 },
  ],
  'anthropic-py': [{ family: 'anthropic-py', major: 0, minor: 0 }],
}

/** First match wins. `kind` is a family, or an SDK with bands. */
const BY_START: readonly (readonly [start: string, kind: string])[] = [
  ['claude-cli/', 'claude-code'],
  ['codex', 'codex'], // codex_cli_rs/…, codex_exec/…
  ['ai/', 'ai-sdk'],
  ['ai-sdk', 'ai-sdk'], // streamText: ai-sdk-openai/…
  ['langchainjs', 'langchain-js'],
  ['Agents/JavaScript', 'openai-js'], // OpenAI Agents over the SDK, whose version is in x-stainless-*
  ['Agents/Python', 'openai-py'],
  ['aws-sdk-js', 'aws-js'],
  ['Boto3/', 'botocore'],
  ['Botocore/', 'botocore'],
  ['aws-cli/', 'botocore'],
  ['got ', 'got'],
  ['got/', 'got'],
  ['axios/', 'axios'],
  ['undici', 'node-fetch'], // fetch of Node 18 and of the package
  ['node-fetch', 'node-fetch'],
  ['python-requests/', 'python-requests'],
  ['python-urllib3/', 'python-requests'],
  ['Python-urllib/', 'python-requests'],
  ['python-httpx/', 'httpx'],
  ['Go-http-client/', 'go'],
  ['Java-http-client/', 'java'],
  ['Java/', 'java'],
  ['okhttp/', 'java'],
  ['Apache-HttpClient/', 'java'],
  ['curl/', 'curl'],
]

interface Client {
  /** A family, or the SDK of `BANDS`. */
  readonly kind: string
  /** The version in the user agent; '' = none. */
  readonly version: string
}

const REMEMBERED_AGENTS = 1024
const LONGEST_REMEMBERED = 256

/** Makes the reader of families; it remembers the user agents that it has seen. */
export function createFamilyReader(): (marks: ClientMarks) => string {
  const recent = new RecentMap<Client>(REMEMBERED_AGENTS)

  function clientOf(userAgent: string): Client {
    const known = recent.get(userAgent)
    if (known !== undefined) return known
    const client = readUserAgent(userAgent)
    if (userAgent.length <= LONGEST_REMEMBERED) recent.set(userAgent, client)
    return client
  }

  return (marks) => {
    const { userAgent } = marks
    const { kind, version } = clientOf(userAgent)
    if (kind === 'claude-code' || kind === 'codex') return kind
    if (marks.isMcp) return 'mcp'
    if (kind === '') {
      if (marks.sdkLang !== '') return inBand(sdkOf(marks.sdkLang, marks.isAnthropic), marks.sdkVersion)
      if (marks.isFetch) return 'node-fetch'
      return userAgent === '' ? 'undici' : 'other'
    }
    if (kind === 'anthropic-js' && marks.hasBrowserAccess) return 'langchain-js'
    return inBand(kind, marks.sdkVersion === '' ? version : marks.sdkVersion)
  }
}

function readUserAgent(userAgent: string): Client {
  // fetch of Node 20 and later
  if (userAgent === 'node') return { kind: 'node-fetch', version: '' }
  for (const [start, kind] of BY_START) if (userAgent.startsWith(start)) return { kind, version: '' }
  const space = userAgent.indexOf(' ')
  const product = space === -1 ? userAgent : userAgent.slice(0, space)
  const slash = product.indexOf('/')
  // `OpenAI/JS 7.55.0`, `AsyncAzureOpenAI/Python 2.46.0`, `AnthropicBedrock/JS 0.71.0`
  if (
    slash !== -1 &&
    (product.startsWith('OpenAI') || product.endsWith('OpenAI', slash) || isAnthropic(product))
  ) {
    const version = space === -1 ? '' : userAgent.slice(space + 1)
    return { kind: sdkOf(product.slice(slash + 1), isAnthropic(product)), version }
  }
  if (userAgent.startsWith('google-genai-sdk/')) {
    return { kind: userAgent.includes('gl-node/') ? 'genai-js' : 'other', version: '' }
  }
  return { kind: userAgent.includes('aiohttp/') ? 'aiohttp' : '', version: '' }
}

function isAnthropic(product: string): boolean {
  return product.startsWith('Anthropic') || product.startsWith('AsyncAnthropic')
}

/** SDKs generated by Stainless in other languages retry alike, but their HTTP stack sets what they bear. */
function sdkOf(lang: string, anthropic: boolean): string {
  switch (lang.toLowerCase()) {
    case 'js':
    case 'javascript':
      return anthropic ? 'anthropic-js' : 'openai-js'
    case 'python':
      return anthropic ? 'anthropic-py' : 'openai-py'
    case 'go':
      return 'go'
    case 'java':
    case 'kotlin':
      return 'java'
    default:
      return 'other'
  }
}

function inBand(kind: string, version: string): string {
  const bands = BANDS[kind]
  if (bands === undefined) return kind
  const firstDot = version.indexOf('.')
  const secondDot = version.indexOf('.', firstDot + 1)
  const major = readCount(firstDot === -1 ? version : version.slice(0, firstDot))
  const minor =
    firstDot === -1
      ? 0
      : readCount(version.slice(firstDot + 1, secondDot === -1 ? version.length : secondDot))
  const band = bands.find((each) => major > each.major || (major === each.major && minor >= each.minor))
  return (band ?? bands.at(-1))?.family ?? kind
}
