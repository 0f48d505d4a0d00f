/** `weir inject`: Kubernetes manifests with Weir beside their agents; `--uninject` gives back what was there before. */
import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { IDENTITIES, KNOWN_UPSTREAMS, type BaseUrlVariable, type Identity } from '../inject/base-urls.ts'
import { inject, uninject, type InjectOptions } from '../inject/inject.ts'
import type { SecretKey } from '../inject/sidecar.ts'
import { InjectError } from '../inject/workloads.ts'

interface InjectFlags {
  readonly file: readonly string[]
  readonly uninject?: boolean
  readonly image?: string
  readonly upstream?: readonly string[]
  readonly env?: readonly BaseUrlVariable[]
  readonly identity: Identity
  readonly configMap: string
  readonly policiesConfigMap?: string
  readonly agentsPort: number
  readonly operatorPort: number
  readonly memoryMi: number
  readonly hashKeySecret?: SecretKey
  readonly redisSecret?: SecretKey
  readonly container?: readonly string[]
  readonly all?: boolean
}

/** More than any release of manifests; a text this long is a mistake. */
const LARGEST_BYTES = 64 * 1024 ** 2
/** As the chart's schema has it for `memoryMi`. */
const SMALLEST_MI = 256
const USAGE = 64

export function injectCommand(): Command {
  return new Command('inject')
    .description('put Weir beside the agents of Kubernetes manifests, as a sidecar')
    .requiredOption('-f, --file <file>', 'manifests, - for standard input; repeat for more', collect)
    .option('--uninject', 'take out what an earlier run put in')
    .option('--image <image>', 'image of Weir')
    .option(
      '--upstream <name>',
      'an upstream of the ConfigMap, whose base URL agents are given; repeat',
      collect,
    )
    .option('--env <NAME=upstream/path>', 'a variable of your own for a base URL; repeat', collectVariable)
    .addOption(new Option('--identity <way>', 'how a call names its pod').choices(IDENTITIES).default('path'))
    .option('--config-map <name>', 'ConfigMap with weir.yaml, in the same namespace', 'weir')
    .option('--policies-config-map <name>', 'ConfigMap with policies (default: the ones in the image)')
    .option('--agents-port <port>', 'as weir.yaml says it', portNumber, 18080)
    .option('--operator-port <port>', 'as weir.yaml says it', portNumber, 19090)
    .option('--memory-mi <MiB>', 'memory limit of the sidecar', memory, 512)
    .option(
      '--hash-key-secret <name/key>',
      'Secret with the key of the hash that stands for API keys',
      secretKey,
    )
    .option('--redis-secret <name/key>', 'Secret with the URL of the Redis that Weirs share', secretKey)
    .option('--container <name>', 'only this container gets the variables; repeat (default: all)', collect)
    .option('--all', 'workloads without the label, too')
    .addHelpText(
      'after',
      `
Changed is what has the label or annotation weir-proxy.io/inject: enabled, on the pods or on what makes them.
The ConfigMap is the chart's in mode: sidecar (docs/kubernetes.md).

Example:
  weir inject -f agents.yaml --image registry.example/weir:0.1.0 --upstream openai | kubectl apply -f -
  weir inject -f - --uninject < injected.yaml`,
    )
    .action((flags: InjectFlags) => {
      try {
        run(flags)
      } catch (error) {
        if (!(error instanceof InjectError) && !(error instanceof Mistake)) throw error
        process.stderr.write(`${error.message}\n`)
        process.exitCode = error instanceof Mistake ? USAGE : 1
      }
    })
}

/** A mistake in the command line. */
class Mistake extends Error {
  override readonly name = 'Mistake'
}

function run(flags: InjectFlags): void {
  const options = flags.uninject === true ? undefined : optionsOf(flags)
  const results = flags.file.map((file) => {
    const text = textOf(file)
    const name = file === '-' ? 'standard input' : file
    return options === undefined ? uninject(name, text) : inject(name, text, options)
  })
  process.stdout.write(joined(results.map(({ text }) => text)))
  const changed = results.flatMap((result) => result.changed)
  const what = changed.length === 0 ? nothing(flags) : changed.join(', ')
  process.stderr.write(`${flags.uninject === true ? 'uninjected' : 'injected'}: ${what}\n`)
}

function nothing({ uninject: isUninject, all }: InjectFlags): string {
  if (isUninject === true) return 'nothing; no pods have the annotation weir-proxy.io/injected'
  return all === true
    ? 'nothing; there are no workloads'
    : 'nothing; no workload has weir-proxy.io/inject: enabled'
}

function optionsOf(flags: InjectFlags): InjectOptions {
  const { image, upstream: upstreams = [], env: variables = [] } = flags
  if (image === undefined)
    throw new Mistake('--image is missing: no image is published yet; build the Dockerfile and name yours')
  if (upstreams.length === 0 && variables.length === 0) {
    throw new Mistake(
      `--upstream is missing: at least one of ${KNOWN_UPSTREAMS.join(', ')}, or --env NAME=upstream/path for others`,
    )
  }
  const strange = upstreams.filter((name) => !KNOWN_UPSTREAMS.includes(name))
  if (strange.length > 0) {
    throw new Mistake(
      `--upstream ${strange.join(', ')}: no variable is known that clients read for it (${KNOWN_UPSTREAMS.join(', ')} have one); say --env NAME=${strange[0]}/path`,
    )
  }
  if (flags.agentsPort === flags.operatorPort)
    throw new Mistake(`--agents-port and --operator-port are both ${flags.agentsPort}`)
  return {
    ...flags,
    image,
    upstreams,
    variables,
    containers: flags.container ?? [],
    all: flags.all === true,
  }
}

function textOf(file: string): string {
  try {
    const bytes = readFileSync(file === '-' ? 0 : file)
    if (bytes.length > LARGEST_BYTES)
      throw new Mistake(`${file}: ${bytes.length} bytes are too many for manifests`)
    return bytes.toString('utf8')
  } catch (error) {
    if (error instanceof Mistake) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new Mistake(`${file}: cannot be read (${code})`)
  }
}

/** Files one after another, as documents of one stream; a single one stays as it is. */
function joined(texts: readonly string[]): string {
  return texts.reduce((all, text) => {
    const ended = all === '' || all.endsWith('\n') ? all : `${all}\n`
    const isOpen = ended === '' || /(^|\n)---[ \t]*\r?\n$/.test(ended) || /^---(\s|$)/.test(text)
    return isOpen ? ended + text : `${ended}---\n${text}`
  }, '')
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function collectVariable(value: string, before: readonly BaseUrlVariable[] = []): readonly BaseUrlVariable[] {
  const parts = /^([A-Za-z_][A-Za-z0-9_]*)=([a-z0-9][a-z0-9-]{0,62})((?:\/[^\s]*)?)$/.exec(value)
  if (parts === null)
    throw new InvalidArgumentError('NAME=upstream or NAME=upstream/path, as in IDP_URL=idp/v2.')
  const [, name = '', upstream = '', path = ''] = parts
  return [...before, { name, upstream, path }]
}

function portNumber(value: string): number {
  const port = Number(value)
  if (!Number.isInteger(port) || port < 1024 || port > 65_535)
    throw new InvalidArgumentError('A port from 1024 to 65535.')
  return port
}

function memory(value: string): number {
  const mebibytes = Number(value)
  if (!Number.isInteger(mebibytes) || mebibytes < SMALLEST_MI)
    throw new InvalidArgumentError(`A whole number from ${SMALLEST_MI} on.`)
  return mebibytes
}

function secretKey(value: string): SecretKey {
  const parts = /^([a-z0-9][a-z0-9.-]{0,252})\/([A-Za-z0-9._-]{1,253})$/.exec(value)
  if (parts === null) throw new InvalidArgumentError('name/key of a Secret, as in weir-redis/url.')
  const [, name = '', key = ''] = parts
  return { name, key }
}
