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

export async function startWeir(upstreamPort: number, extra: readonly string[] = []): Promise<Target> {
  return startWeirAs('weir', upstreamPort, extra)
}

/** The same with a journal, in a directory that goes when it stops. */
async function startWeirJournal(upstreamPort: number): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-journal-'))
  return startWeirAs('weirJournal', upstreamPort, [`--journal=${directory}`], directory)
}

async function startWeirAs(
  name: string,
  upstreamPort: number,
  extra: readonly string[],
  directory?: string,
): Promise<Target> {
  const port = await freePort()
  const operator = await freePort()
  const args = [
    '--enable-source-maps',
    join(ROOT, 'dist/main.js'),
    'run',
    `--upstream=api=http://127.0.0.1:${upstreamPort}`,
    `--listen=127.0.0.1:${port}`,
    `--operator=127.0.0.1:${operator}`,
    '--log-level=error',
    ...extra,
  ]
  return target(name, port, '/api', await startProcess(process.execPath, args, port), directory)
}

async function startScript(name: string, script: string, upstreamPort: number, mode = ''): Promise<Target> {
  if (!existsSync(join(HERE, '..', 'node_modules'))) {
    throw new Error('rivals are not installed: run `npm ci --prefix bench`')
  }
  const port = await freePort()
  const args = [join(HERE, script), String(port), String(upstreamPort), mode]
  return target(name, port, '', await startProcess(process.execPath, args, port))
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
  return target('nginx', port, '', running, directory)
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
  return target('haproxy', port, '', running, directory)
}

/** Every target there is on this machine, Weir first. */
export async function startAll(upstreamPort: number): Promise<Target[]> {
  const targets = [
    await startWeir(upstreamPort),
    await startWeirJournal(upstreamPort),
    await startScript('httpProxy', 'http-proxy.mjs', upstreamPort),
    await startScript('httpProxyKeepAlive', 'http-proxy.mjs', upstreamPort, 'keep-alive'),
    await startScript('replyFrom', 'reply-from.mjs', upstreamPort),
    await startNginx(upstreamPort),
    await startHaproxy(upstreamPort),
  ]
  return targets.filter((one) => one !== undefined)
}

function target(
  name: string,
  port: number,
  prefix: string,
  running: { pid: number; stop: () => Promise<void> },
  directory?: string,
): Target {
  return {
    name,
    port,
    prefix,
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
