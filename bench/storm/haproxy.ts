/** haproxy as a shield: as many connections as the healthy upstream has servers, the rest waits in its queue. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startProcess } from '../targets/target.ts'
import { COMPRESSION } from './compression.ts'

const BINARY = '/usr/sbin/haproxy'

export async function startQueueingHaproxy(
  urls: readonly string[],
  servers: readonly number[],
): Promise<{ bases: string[]; stop: () => Promise<void> } | undefined> {
  if (!existsSync(BINARY)) return undefined
  const directory = mkdtempSync(join(tmpdir(), 'weir-haproxy-'))
  const ports: number[] = []
  const sections: string[] = []
  for (const [index, url] of urls.entries()) {
    const port = await freePort()
    ports.push(port)
    sections.push(`listen api${index}
  bind 127.0.0.1:${port}
  server one ${new URL(url).host} maxconn ${servers[index] ?? 1}`)
  }
  const config = `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout queue ${30 * COMPRESSION}s
  timeout client 300s
  timeout server 300s
  http-reuse safe
${sections.join('\n')}
`
  writeFileSync(join(directory, 'haproxy.cfg'), config)
  const running = await startProcess(BINARY, ['-db', '-f', join(directory, 'haproxy.cfg')], ports[0] ?? 0)
  return {
    bases: ports.map((port) => `http://127.0.0.1:${port}`),
    stop: async () => {
      await running.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
