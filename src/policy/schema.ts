/**
 * The format of a policy file: the one place for its keys, defaults, ranges and sentences. Validation, the JSON
 * Schema for editors and the reference page are made from it. Sources of the numbers: see the sections.
 */
import { z } from 'zod'
import {
  AGENT_CONDITIONS,
  CONDITIONS,
  MODES,
  PRIORITIES,
  VERDICTS,
  WORKFLOW_CONDITIONS,
} from '../core/model.ts'
import {
  amount,
  choice,
  duration,
  flag,
  glob,
  needed,
  oneOrMore,
  option,
  rate,
  setting,
  share,
  size,
  text,
  whole,
} from './fields.ts'
import { agentPatternFault, pathPatternFault, upstreamPatternFault } from './pattern.ts'
import { known } from './shape.ts'

export const POLICY_VERSION = 1

/** RFC 1035 label, lower case: it is a path segment, a metric label and part of an environment variable. */
export const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
export const NAME_ALLOWED = 'a name of a-z, 0-9 and -, at most 63 characters, with no - at either end'

/** Two-sided CUSUM on normal scores; tuned by simulation to about one false alarm a day at 2 to 100 calls/s. */
const drift = z.strictObject({
  allowance: setting(
    amount(0.05, 1),
    0.25,
    'Half the shift, in standard deviations, that the detector is tuned to.',
  ),
  slowAlarm: setting(
    amount(4, 100),
    20,
    'Evidence that it takes to call an upstream slow; higher = later and surer.',
  ),
  fastAlarm: setting(
    amount(4, 100),
    25,
    'Evidence that it takes to call answers suspiciously fast (empty, refused).',
  ),
  slowEffect: setting(
    amount(1, 10),
    1.25,
    'Slow also means: median of the last 30 s at least this many times the healthy one.',
  ),
  fastEffect: setting(
    amount(0.05, 1),
    0.8,
    'Fast also means: median of the last 30 s at most this many times the healthy one.',
  ),
  errorAlarm: setting(
    amount(2, 100),
    11.5,
    'Evidence of errors that makes an alarm; 11.5 is five failures in a row.',
  ),
  warmUpSamples: setting(
    whole(20, 100_000),
    200,
    'Calls that make the first healthy reference; those of other replicas count, up to seven times its own.',
  ),
  warmUp: setting(duration('1s', '24h'), '60s', 'Least time that makes the first healthy reference.'),
  clear: setting(duration('1s', '1h'), '30s', 'How long the evidence must stay low before drift is over.'),
})

/** Breadth x intensity x synchrony of retries over agents. */
const storm = z.strictObject({
  window: setting(duration('1s', '60s'), '5s', 'Window in which retries are counted.'),
  agents: setting(whole(2, 10_000), 3, 'A storm needs at least so many distinct agents that retry.'),
  agentShare: setting(share(0.01, 1), 0.2, 'And at least this share of the active agents.'),
  retryShare: setting(share(0.01, 1), 0.25, 'And at least this share of attempts that are retries.'),
  z: setting(amount(1, 50), 5, 'And retries at least so many standard deviations above their usual number.'),
  clear: setting(duration('1s', '1h'), '10s', 'How long retries must stay low before a storm is over.'),
})

/** Loss first (AIMD), latency second (gradient); in force only while the upstream is not well. */
const limit = z.strictObject({
  min: setting(whole(1, 100_000), 1, 'The discovered limit of calls at once never falls below this.'),
  max: setting(whole(1, 100_000), 1024, 'The discovered limit of calls at once never rises above this.'),
  lossFactor: setting(amount(0.1, 0.95), 0.7, 'What a 429, a 503 or a timeout multiplies the limit by.'),
  tolerance: setting(
    amount(1, 10),
    1.5,
    'Slowdown against the healthy median that does not lower the limit.',
  ),
})

/** Google SRE book, chapter "Handling Overload": retries at most a tenth of calls. */
const retryBudget = z.strictObject({
  ratio: setting(share(0, 1), 0.1, 'Retries that each success pays for.'),
  perSecond: setting(amount(0, 10_000), 1, 'Retries per second that are free.'),
  cap: setting(amount(1, 1_000_000), 100, 'Retries that may be saved up.'),
})

const hold = z.strictObject({
  max: setting(
    duration('100ms', '15m'),
    '30s',
    "Longest hold of one call; the client's own deadline comes first.",
  ),
  calls: setting(whole(1, 100_000), 1024, 'Calls held at once for this upstream.'),
  perAgent: setting(whole(1, 100_000), 256, 'Calls held at once for one agent.'),
  bytes: setting(size('1KiB', '16GiB'), '256MiB', 'Bodies held at once for this upstream.'),
})

const slots = z.strictObject({
  max: setting(
    duration('1s', '59s'),
    '55s',
    'The latest slot; many clients ignore a Retry-After above 59 s.',
  ),
  grace: setting(duration('100ms', '30s'), '2s', 'How late a caller may come back and still find its slot.'),
})

const release = z.strictObject({
  probeEvery: setting(
    duration('100ms', '60s'),
    '500ms',
    'Wait before the first probe; it grows with each that fails.',
  ),
  probeMax: setting(duration('100ms', '10m'), '1s', 'Longest wait between probes.'),
  passes: setting(whole(1, 100), 2, 'Probes in a row that must succeed before work is let go.'),
  start: setting(share(0.01, 1), 0.3, 'Share of the healthy rate at which the ramp begins.'),
  growth: setting(amount(1.05, 10), 1.5, 'What each clean window multiplies the rate by.'),
  window: setting(duration('100ms', '5m'), '250ms', 'Length of a window of the ramp.'),
})

export const tuningSections = { drift, storm, limit, retryBudget, hold, slots, release } as const
export type TuningSection = keyof typeof tuningSections
export const TUNING_SECTIONS: readonly TuningSection[] = [
  'drift',
  'storm',
  'limit',
  'retryBudget',
  'hold',
  'slots',
  'release',
]

const tuning = z.strictObject({
  drift: option(drift, 'When response times or errors have left the healthy distribution.'),
  storm: option(storm, 'When distinct agents retry together.'),
  limit: option(limit, 'How many calls at once an upstream gets while it is not well.'),
  retryBudget: option(retryBudget, 'How many retries reach an upstream while it is not well.'),
  hold: option(hold, 'How many calls may wait inside Weir, and for how long.'),
  slots: option(slots, 'When refused callers are asked back.'),
  release: option(release, 'How held work is let go.'),
  group: option(
    z
      .array(text(63, NAME_ALLOWED, NAME))
      .min(1)
      .max(64),
    'Upstreams of the same API and credentials that may take over calls; said at one of them, true for all. Limits count a call under the upstream that it asked for.',
  ),
})

export const workflowSection = z.strictObject({
  width: setting(whole(2, 10_000), 8, 'Calls at once from which a workflow counts as wide.'),
  calls: setting(whole(2, 1_000_000), 20, 'Calls in all from which a workflow may count as amplified.'),
  hardCalls: setting(whole(10, 10_000_000), 500, 'Calls in all from which a workflow is over its budget.'),
  loopCalls: setting(whole(4, 10_000), 20, 'Calls in a steady cycle of equal sizes that make a loop.'),
  ttl: setting(duration('10s', '24h'), '15m', 'Silence after which a workflow is forgotten.'),
})

const match = z.strictObject({
  upstream: option(
    oneOrMore(glob('an upstream name, * for a run of characters', upstreamPatternFault)),
    'Upstreams by name.',
  ),
  agent: option(
    oneOrMore(glob('an agent id, * for a run of characters', agentPatternFault)),
    'Agents by id.',
  ),
  path: option(
    oneOrMore(
      glob('a path, * for a segment or a run inside one, /** at the end for the rest', pathPatternFault),
    ),
    'Paths at the upstream, without query.',
  ),
  method: option(
    oneOrMore(text(20, 'a method in capital letters, such as GET or POST', /^[A-Z]+$/)),
    'HTTP methods.',
  ),
  priority: option(oneOrMore(choice(PRIORITIES)), 'Priority classes, as the caller asked for them.'),
  verified: option(flag(), 'true = only callers known by a credential, false = only callers that are not.'),
})

const when = z.strictObject({
  upstream: option(oneOrMore(choice(CONDITIONS)), 'The upstream is in one of these conditions.'),
  agent: option(oneOrMore(choice(AGENT_CONDITIONS)), 'The calling agent is in one of these conditions.'),
  workflow: option(
    oneOrMore(choice(WORKFLOW_CONDITIONS)),
    'The workflow of the call is in one of these conditions.',
  ),
  slowdownAtLeast: option(amount(1, 1000), 'Median of the last 30 s over the healthy median.'),
  errorShareAtLeast: option(share(0.001, 1), 'Share of calls that failed lately.'),
  retryShareAtLeast: option(share(0.001, 1), 'Share of attempts that are retries.'),
  retryingAgentsAtLeast: option(whole(1, 100_000), 'Distinct agents that retry now.'),
  inFlightAtLeast: option(whole(1, 1_000_000), 'Calls at the upstream now.'),
})

const staticLimit = z.strictObject({
  per: needed(choice(['upstream', 'agent', 'workflow']), 'What the limit counts separately.'),
  scope: setting(
    choice(['fleet', 'replica']),
    'fleet',
    'fleet = it holds for all replicas and workers that share a board; replica = for each of them by itself.',
  ),
  rate: option(rate(), 'Calls per time.'),
  burst: option(
    whole(1, 1_000_000),
    'Calls that may come at once on top of the rate; absent = one second of the rate.',
  ),
  concurrency: option(whole(1, 1_000_000), 'Calls open at the upstream at once.'),
})

const fanOut = z.strictObject({
  width: option(whole(1, 1_000_000), 'Calls of one workflow at once.'),
  calls: option(whole(1, 10_000_000), 'Calls of one workflow in all; the rest is refused for good.'),
  depth: option(whole(1, 1000), 'Generations of agents below the first; deeper calls are refused for good.'),
})

const then = z.strictObject({
  do: option(
    choice(VERDICTS),
    'hold = as much as the upstream can bear, the rest waits; shed = refuse with a slot; pass = exempt; defer = answer later.',
  ),
  final: option(flag(), 'With shed: refuse for good (403), without a slot.'),
  hold: option(
    z.strictObject({ max: needed(duration('100ms', '15m'), 'Longest hold by this rule.') }),
    'With hold: its bound.',
  ),
  limits: option(z.array(staticLimit).min(1).max(16), 'Limits of your own, in force whatever the condition.'),
  priority: option(choice(PRIORITIES), 'The class that the call gets.'),
  fanOut: option(fanOut, 'Caps of one workflow.'),
})

const rule = z.strictObject({
  name: needed(text(63, NAME_ALLOWED, NAME), 'Its id is the file name, a slash and this name.'),
  description: option(text(500), 'Why the rule exists.'),
  match: option(match, 'Which calls it is about; every key must be true. Absent = all.'),
  mode: setting(
    choice(MODES),
    'shadow',
    'enforce = act, shadow = decide and record but let pass, off = sleep.',
  ),
  when: option(when, 'In which conditions; every key must be true. Absent = always.'),
  // oxlint-disable-next-line unicorn/no-thenable -- the word of the file format; nothing awaits a rule
  then: needed(then, 'What happens.'),
})

export const policyFile = z.strictObject({
  version: needed(z.literal(POLICY_VERSION), 'Version of this format.'),
  description: option(text(500), 'What the file is for.'),
  override: setting(
    flag(),
    false,
    'true = the tuning of this file replaces what other files say about the same key.',
  ),
  upstreams: option(
    z.record(
      text(63, `${NAME_ALLOWED}, or '*' for all`, /^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/),
      tuning,
    ),
    "Tuning by upstream name; '*' is for all, and a name beats it.",
  ),
  workflow: option(workflowSection, 'What an ordinary workflow looks like.'),
  rules: option(
    z.array(rule).max(256),
    'All that match take part, in order: the first with a `do` decides, limits of all apply.',
  ),
})

export type PolicyFileValue = z.output<typeof policyFile>
export type RuleValue = z.output<typeof rule>

/** A section with every key present: those that were set, and the defaults of the rest. */
export function filled<S extends z.ZodRawShape>(
  section: z.ZodObject<S, z.core.$ZodObjectConfig>,
  set: Readonly<Record<string, unknown>>,
): { [K in keyof S]: Exclude<z.output<S[K]>, undefined> } {
  const values: Record<string, unknown> = {}
  for (const [key, kind] of Object.entries(section.shape)) {
    const field = known(kind)
    values[key] = set[key] ?? field.parse(field.meta()?.preset)
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every value came through its own field
  return values as { [K in keyof S]: Exclude<z.output<S[K]>, undefined> }
}
