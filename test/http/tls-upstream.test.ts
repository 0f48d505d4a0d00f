import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { TEST_CERT, TEST_KEY } from '../kit/tls-fixture.ts'

interface TlsUpstream {
  readonly port: number
  readonly hosts: (string | undefined)[]
  close(): Promise<void>
}

async function startTls(): Promise<TlsUpstream> {
  const hosts: (string | undefined)[] = []
  const server: Server = createServer({ cert: TEST_CERT, key: TEST_KEY }, (request, response) => {
    hosts.push(request.headers.host)
    response.end('over TLS')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    hosts,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

test('a certificate of an authority that is not trusted is a 502, and no request is sent', async () => {
  const upstream = kept(await startTls())
  const proxy = kept(await startProxy({ upstreams: { api: new URL(`https://127.0.0.1:${upstream.port}`) } }))
  const response = await fetch(`${proxy.origin}/api/x`)
  expect(response.status).toBe(502)
  expect(response.headers.get('weir-problem')).toBe('tls_failed')
  expect(upstream.hosts).toEqual([])
  expect(proxy.proxy.stats.connectRetries).toBe(0)
})

test('an authority that was configured is trusted, for the names of its certificate', async () => {
  const upstream = kept(await startTls())
  const proxy = kept(
    await startProxy({
      upstreams: {
        named: { url: new URL(`https://localhost:${upstream.port}`), ca: TEST_CERT },
        other: { url: new URL(`https://127.0.0.2:${upstream.port}`), ca: TEST_CERT },
      },
    }),
  )
  expect(await (await fetch(`${proxy.origin}/named/x`)).text()).toBe('over TLS')
  expect(upstream.hosts).toEqual([`localhost:${upstream.port}`])
  expect((await fetch(`${proxy.origin}/other/x`)).status).toBe(502)
})
