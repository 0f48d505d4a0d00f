/** How each target is started. nginx and haproxy take part when they are installed. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuMicrosOf, freePort, startProcess, type Target } from './target.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
export const ROOT = join(HERE, '..', '..')

/** Compiled, as users run it: the loader of the sources would be measured otherwise. */
export function buildWeir(): void {
  execFileSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    {
      cwd: ROOT,
    },
  )
}

export async function startUpstream(): Promise<{ port: number; stop: () => Promise<void> }> {
  const port = await freePort()
  const loader = join(ROOT, 'node_modules/tsx/dist/loader.mjs')
  const script = join(HERE, 'upstream.ts')
  const { stop } = await startProcess(process.execPath, ['--import', loader, script, String(port)], port)
  return { port, stop }
}

/** @param extra further arguments of `weir run`; @param node arguments of Node */
export async function startWeir(
  upstreamPort: number,
  extra: readonly string[] = [],
  node: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Target & { readonly operator: number }> {
  return startWeirAs('weir', upstreamPort, extra, { node, env })
}

/** Another checkout, built by its owner: before and after in one run. */
async function startBase(upstreamPort: number): Promise<Target | undefined> {
  const root = process.env['OVERHEAD_BASE']
  return root === undefined ? undefined : startWeirAs('base', upstreamPort, [], { root })
}

/** The same with a journal, in a directory that goes when it stops. */
async function startWeirJournal(upstreamPort: number): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-journal-'))
  return startWeirAs('weirJournal', upstreamPort, [`--journal=${directory}`], { directory })
}

interface WeirSettings {
  readonly root?: string
  /** Removed when it stops. */
  readonly directory?: string
  readonly node?: readonly string[]
  readonly env?: Record<string, string>
}

async function startWeirAs(
  name: string,
  upstreamPort: number,
  extra: readonly string[],
  { root = ROOT, directory, node = [], env = {} }: WeirSettings,
): Promise<Target & { readonly operator: number }> {
  const port = await freePort()
  const operator = await freePort()
  const args = [
    '--enable-source-maps',
    ...profiled(name),
    ...node,
    join(root, 'dist/main.js'),
    'run',
    `--upstream=api=http://127.0.0.1:${upstreamPort}`,
    `--listen=127.0.0.1:${port}`,
    `--operator=127.0.0.1:${operator}`,
    '--log-level=error',
    ...extra,
  ]
  const running = await startProcess(process.execPath, args, port, env)
  return { ...target(name, port, running, { prefix: '/api', directory }), operator }
}

/** Where CPU profiles go, if anywhere. */
function profiled(name: string): string[] {
  const directory = process.env['OVERHEAD_PROFILE']
  if (directory === undefined) return []
  return ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${name}.cpuprofile`]
}

/** The same proxy with and without identity, core and verdict: two modes of one script. */
function startSeam(name: 'weirWhole' | 'weirBare', upstreamPort: number): Promise<Target> {
  const shapes = ['get', 'post2k']
  return startScript(name, 'weir-seam.mjs', upstreamPort, name, { prefix: '/api', shapes })
}

/** @param node arguments of Node */
export async function startBareServer(node: readonly string[], env: Record<string, string>): Promise<Target> {
  const port = await freePort()
  const args = [...node, join(HERE, 'bare-server.mjs'), String(port)]
  return target('bare', port, await startProcess(process.execPath, args, port, env), {})
}

async function startScript(
  name: string,
  script: string,
  upstreamPort: number,
  mode = '',
  traits: Traits = {},
): Promise<Target> {
  const port = await freePort()
  const args = [...profiled(name), join(HERE, script), String(port), String(upstreamPort), mode]
  return target(name, port, await startProcess(process.execPath, args, port), traits)
}

/** @throws when the rivals are not installed */
async function startRival(
  name: string,
  script: string,
  upstreamPort: number,
  mode = '',
  traits: Traits = {},
): Promise<Target> {
  if (!existsSync(join(HERE, '..', 'node_modules'))) {
    throw new Error('rivals are not installed: run `npm ci --prefix bench`')
  }
  return startScript(name, script, upstreamPort, mode, traits)
}

/** The gateway reads what it forwards, and takes the upstream from headers. Its GETs fail on current Nodes. */
function startPortkey(upstreamPort: number): Promise<Target> {
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
  }
  return startRival('portkey', 'portkey.mjs', upstreamPort, '', { headers, shapes: ['post2k'] })
}

async function startNginx(upstreamPort: number): Promise<Target | undefined> {
  const binary = installed('nginx')
  if (binary === undefined) return undefined
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'weir-nginx-'))
  mkdirSync(join(directory, 'tmp'))
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/tmp/${kind};`)
    .join(' ')
  const config = `
daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 4096; }
http { access_log off; ${temp} keepalive_requests 1000000;
  upstream api { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port}; client_max_body_size 64m;
    location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_request_buffering off; } } }`
  writeFileSync(join(directory, 'nginx.conf'), config)
  const args = ['-c', join(directory, 'nginx.conf'), '-p', directory]
  const running = await startProcess(binary, args, port)
  return target('nginx', port, running, { directory })
}

async function startHaproxy(upstreamPort: number): Promise<Target | undefined> {
  const binary = installed('haproxy')
  if (binary === undefined) return undefined
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'weir-haproxy-'))
  const config = `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend api
backend api
  server one 127.0.0.1:${upstreamPort}
`
  writeFileSync(join(directory, 'haproxy.cfg'), config)
  const running = await startProcess(binary, ['-db', '-f', join(directory, 'haproxy.cfg')], port)
  return target('haproxy', port, running, { directory })
}

const ARMS: Readonly<Record<string, (upstreamPort: number) => Promise<Target | undefined>>> = {
  weir: startWeir,
  base: startBase,
  weirJournal: startWeirJournal,
  weirWhole: (port) => startSeam('weirWhole', port),
  weirBare: (port) => startSeam('weirBare', port),
  httpProxy: (port) => startRival('httpProxy', 'http-proxy.mjs', port),
  httpProxyKeepAlive: (port) => startRival('httpProxyKeepAlive', 'http-proxy.mjs', port, 'keep-alive'),
  replyFrom: (port) => startRival('replyFrom', 'reply-from.mjs', port),
  portkey: startPortkey,
  rawLimit: (port) => startScript('rawLimit', 'raw-limit.mjs', port),
  nginx: startNginx,
  haproxy: startHaproxy,
}

/** Every target there is on this machine, Weir first. @param only names of those wanted; undefined = all */
export async function startAll(upstreamPort: number, only?: ReadonlySet<string>): Promise<Target[]> {
  for (const name of only ?? []) {
    if (!(name in ARMS)) throw new Error(`unknown target '${name}'; known: ${Object.keys(ARMS).join(', ')}`)
  }
  const targets: Target[] = []
  for (const [name, start] of Object.entries(ARMS)) {
    const one = only === undefined || only.has(name) ? await start(upstreamPort) : undefined
    if (one !== undefined) targets.push(one)
  }
  return targets
}

interface Traits {
  readonly prefix?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly shapes?: readonly string[]
  /** Removed when it stops. */
  readonly directory?: string | undefined
}

function target(
  name: string,
  port: number,
  running: { pid: number; stop: () => Promise<void> },
  { prefix = '', headers = {}, shapes, directory }: Traits,
): Target {
  return {
    name,
    port,
    pid: running.pid,
    prefix,
    headers,
    shapes,
    cpuMicros: () => cpuMicrosOf(running.pid),
    stop: async () => {
      await running.stop()
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
    },
  }
}

function installed(name: string): string | undefined {
  return ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}
