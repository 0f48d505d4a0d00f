/**
 * The data path of Weir by itself, in two modes: `weirWhole` with identity and core, and `weirBare` with neither: an
 * identifier that knows every caller, a core that lets all pass and counts nothing. Their difference is what
 * coordination takes of a call. There is no such switch in the product.
 */
import { randomBytes } from 'node:crypto'
import { createCoordinator } from '../../dist/core/coordinator.js'
import { loadConfig } from '../../dist/config.js'
import { keepPolicies } from '../../dist/policy-keeper.js'
import { createProxy } from '../../dist/proxy/proxy.js'

const [, , port, upstream, mode] = process.argv
const clock = () => performance.now()
const wall = () => Date.now()
const log = { debug() {}, info() {}, warn() {}, error() {}, limited() {}, access() {} }
const config = loadConfig({
  flags: { upstream: [`api=http://127.0.0.1:${upstream}`], listen: `127.0.0.1:${port}` },
})

/** The length is not coordination: the body is read by it. */
function knowsAll(rawHeaders, _address, routed, method, arrival) {
  let bytes = 0
  const end = method === 'GET' ? 0 : rawHeaders.length
  for (let index = 0; index < end; index += 2) {
    if (rawHeaders[index].length === 14 && rawHeaders[index].toLowerCase() === 'content-length') {
      bytes = Number(rawHeaders[index + 1])
    }
  }
  arrival.agent = 'all'
  arrival.method = method
  arrival.path = routed.path
  arrival.route = routed.template
  arrival.bytes = bytes
  return FACTS
}

const FACTS = {
  agentSource: 'peer',
  expectContinue: false,
  upgrade: '',
  wantsTrailers: false,
  preferWaitMs: -1,
  resume: '',
  patienceIsExplicit: false,
}
const PASS = { do: 'pass', reason: 'healthy', rule: -1, upstream: 0, until: 0, slotAt: 0, shadow: undefined }
const NO_ADVICE = { slotAt: 0 }
const letsPass = {
  arrive: () => PASS,
  progress: () => NO_ADVICE,
  settle() {},
  tick: () => [],
  wakeAt: () => Infinity,
  adopt() {},
  drain() {},
  pressure() {},
  read: () => ({ at: 0, open: 0, upstreams: [], agentsKnown: 0, workflowsKnown: 0 }),
  agents: () => [],
  workflows: () => [],
}

function wholeCore() {
  const { policy } = keepPolicies(
    config.policies,
    { upstreams: ['api'], deferral: false },
    { log, wall, onNews() {} },
  )
  return createCoordinator({ policy, upstreams: ['api'], seed: randomBytes(4).readUInt32LE() })
}

const proxy =
  mode === 'weirBare'
    ? createProxy(config.proxy, { core: letsPass, clock, wall, log, identify: knowsAll })
    : createProxy(config.proxy, { core: wholeCore(), clock, wall, log })
await proxy.listen()
process.on('SIGTERM', () => process.exit(0))
