/** Calls by way of an nginx that asks a Weir first: `nginx/nginx.conf` with its variables filled in, in a real nginx. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const weir = new URL(process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080')
const upstream = new URL(process.env['UPSTREAM_URL'] ?? 'http://127.0.0.1:9000')
const port = process.env['NGINX_PORT'] ?? '8090'

const prefix = await mkdtemp(join(tmpdir(), 'weir-nginx-'))
const values: Record<string, string> = {
  PREFIX: prefix,
  WEIR: weir.host,
  UPSTREAM: upstream.host,
  PORT: port,
}
const template = await readFile(join(import.meta.dirname, 'nginx', 'nginx.conf'), 'utf8')
await writeFile(
  join(prefix, 'nginx.conf'),
  template.replaceAll(/\$\{([A-Z]+)\}/g, (_, name: string) => values[name] ?? ''),
)
const nginx = spawn('nginx', ['-p', prefix, '-c', join(prefix, 'nginx.conf')], { stdio: 'inherit' })

const headers = { 'content-type': 'application/json', 'weir-agent': 'behind-nginx', 'weir-key': 'secret' }
const ask = (): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: '{"model":"sandbox-1","messages":[]}',
  })
try {
  for (let tries = 0; tries < 50; tries += 1) {
    if (
      await fetch(`http://127.0.0.1:${port}/v1/models`).then(
        (response) => response.ok,
        () => false,
      )
    )
      break
    await sleep(50)
  }
  const one = await ask()
  console.log('allowed:', one.status, ((await one.json()) as { object: string }).object)
  const others = await Promise.all(Array.from({ length: 12 }, ask))
  const refused = others.find(({ status }) => status === 429)
  console.log(
    'refused:',
    refused?.status,
    refused?.headers.get('weir-reason'),
    refused?.headers.get('x-should-retry'),
    Number(refused?.headers.get('retry-after')) > 0 && Number(refused?.headers.get('retry-after-ms')) > 0,
  )
  const never = await fetch(`http://127.0.0.1:${port}/v1/files`, { headers })
  console.log(
    'for good:',
    never.status,
    never.headers.get('x-should-retry'),
    never.headers.get('retry-after'),
  )
} finally {
  nginx.kill('SIGTERM')
  await new Promise((resolve) => nginx.once('exit', resolve))
  await rm(prefix, { recursive: true, force: true })
}
