/** The examples for nginx and Envoy, read as text: what is said to Weir ends there. nginx itself is run in `examples/`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { KNOWN_HEADERS } from '../../src/proxy/known-headers.ts'

function read(file: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', 'examples', file), 'utf8')
}

describe('the configurations for proxies that are already there', () => {
  // Besides what agents say: what the proxies themselves tell Weir, and are told.
  const ours = [
    ...KNOWN_HEADERS.map(({ name }) => name).filter((name) => name.startsWith('weir-')),
    'weir-endings',
    'weir-refuse-with',
    'weir-ticket',
  ]

  it('nginx sends the provider nothing that is said to Weir', () => {
    const [server = '', ...locations] = read('nginx/nginx.conf')
      .split(/^ {2}server \{$/m)[1]!
      .split(/^ {4}location/m)
    for (const name of ours) expect(server).toContain(`proxy_set_header ${name} "";`)
    const toProvider = locations.filter((text) => text.includes('proxy_pass http://provider;'))
    expect(toProvider.length).toBe(2)
    for (const text of toProvider) expect(text).not.toContain('proxy_set_header')
  })

  it('Envoy sends the provider nothing that is said to Weir', () => {
    const envoy = parse(read('envoy/envoy.yaml')) as Envoy
    const [host] =
      envoy.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts
    expect(host.request_headers_to_remove).toEqual(expect.arrayContaining(ours))
  })
})

interface Envoy {
  readonly static_resources: {
    readonly listeners: readonly [
      {
        readonly filter_chains: readonly [{ readonly filters: readonly [{ readonly typed_config: Router }] }]
      },
    ]
  }
}

interface Router {
  readonly route_config: {
    readonly virtual_hosts: readonly [{ readonly request_headers_to_remove: readonly string[] }]
  }
}
