/** The core as an interceptor of undici: every client on this dispatcher is coordinated, fetch included. */
import { Agent, fetch, request } from 'undici'
import { coordinate } from 'weir-proxy/wrap'

const upstream = process.env['UPSTREAM_URL'] ?? 'https://api.openai.com'
const policy =
  'version: 1\nrules:\n  - { name: no-files, match: { path: /v1/files }, mode: enforce, then: { do: shed, final: true } }\n'

const dispatcher = new Agent().compose(coordinate({ upstreams: { openai: upstream }, policy }))

const models = await request(`${upstream}/v1/models`, { dispatcher })
console.log('models:', models.statusCode, ((await models.body.json()) as { data: unknown[] }).data.length)
const refused = await fetch(`${upstream}/v1/files`, { dispatcher })
console.log('files:', refused.status, refused.headers.get('weir-reason'))
await dispatcher.close()
