/**
 * Every metric of Weir: name, kind, labels, unit and the sentence that explains it. The writer, the page
 * `docs/metrics.md` and the dashboards all follow this table. Labels come from closed lists or from the config;
 * `agent` alone is open, and capped (see `agent-seats.ts`).
 */

export interface MetricRow {
  readonly name: `weir_${string}`
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly unit:
    | 'calls'
    | 'attempts'
    | 'seconds'
    | 'bytes'
    | 'ratio'
    | 'per second'
    | 'count'
    | '0 or 1'
    | 'score'
  readonly help: string
}

export const METRICS = {
  calls: counter(
    'weir_calls_total',
    ['upstream', 'outcome'],
    'calls',
    'Calls that ended, by how they ended.',
  ),
  arrivals: counter(
    'weir_arrivals_total',
    ['upstream'],
    'calls',
    'Calls that arrived; arrivals = ended + open.',
  ),
  verdicts: counter(
    'weir_verdicts_total',
    ['upstream', 'verdict', 'reason', 'mode'],
    'calls',
    'Decisions and their reasons; mode=shadow counts what a rule in shadow mode would have done.',
  ),
  attempts: counter('weir_attempts_total', ['upstream'], 'attempts', 'Attempts sent to the upstream.'),
  retries: counter('weir_retries_total', ['upstream'], 'calls', 'Calls that were seen to be a retry.'),
  settlements: counter(
    'weir_settlements_total',
    ['upstream', 'kind'],
    'attempts',
    'Attempts that ended, by how.',
  ),
  upstreamDuration: histogram(
    'weir_upstream_duration_seconds',
    ['upstream'],
    'Time of an upstream attempt, from sent to done; streams count by their first byte.',
  ),
  holdDuration: histogram('weir_hold_duration_seconds', ['upstream'], 'Time that held calls waited in Weir.'),
  inFlight: gauge('weir_in_flight', ['upstream'], 'calls', 'Calls at the upstream at this moment.'),
  held: gauge('weir_held', ['upstream'], 'calls', 'Calls that wait in Weir at this moment.'),
  heldBytes: gauge('weir_held_bytes', ['upstream'], 'bytes', 'Bytes of request bodies that wait in Weir.'),
  limit: gauge(
    'weir_limit',
    ['upstream'],
    'calls',
    'Limit on calls in flight; +Inf = none, the healthy state.',
  ),
  rampRate: gauge(
    'weir_ramp_rate',
    ['upstream'],
    'per second',
    'Calls let through by the staged opening; +Inf = no ramp.',
  ),
  condition: gauge(
    'weir_condition',
    ['upstream', 'condition'],
    '0 or 1',
    'The condition that the upstream is seen in.',
  ),
  driftScore: gauge(
    'weir_drift_score',
    ['upstream', 'side'],
    'score',
    'Evidence of drift from the healthy distribution, by side: slow, fast, errors.',
  ),
  slowdown: gauge(
    'weir_slowdown_ratio',
    ['upstream'],
    'ratio',
    'Median time of the last 30 s over the healthy median.',
  ),
  errorRatio: gauge(
    'weir_error_ratio',
    ['upstream'],
    'ratio',
    'Share of attempts of the last 30 s that failed.',
  ),
  retryRatio: gauge('weir_retry_ratio', ['upstream'], 'ratio', 'Share of arrivals that are retries.'),
  retryingAgents: gauge(
    'weir_retrying_agents',
    ['upstream'],
    'count',
    'Distinct agents that retry at this moment.',
  ),
  stormSynchrony: gauge(
    'weir_storm_synchrony',
    ['upstream'],
    'ratio',
    'How much retries come together in time.',
  ),
  amplification: gauge(
    'weir_amplification_ratio',
    ['upstream'],
    'ratio',
    'Upstream attempts over logical calls since the start; 1 = no amplification.',
  ),
  retryTokens: gauge('weir_retry_tokens', ['upstream'], 'count', 'Tokens left in the retry budget.'),
  agentsKnown: gauge('weir_agents_known', [], 'count', 'Agents in the table of identities.'),
  agentCalls: counter(
    'weir_agent_calls_total',
    ['agent'],
    'calls',
    'Calls by agent; those past metrics.agents share agent="other".',
  ),
  workflowsKnown: gauge('weir_workflows_known', [], 'count', 'Workflows in the table of identities.'),
  policyReloadFailed: gauge(
    'weir_policy_reload_failed',
    [],
    '0 or 1',
    '1 while the files on disk are refused and the last good policy stays in force.',
  ),
  policyLoaded: gauge(
    'weir_policy_loaded_timestamp_seconds',
    [],
    'seconds',
    'Unix time at which the policy in force was loaded.',
  ),
  connections: gauge('weir_connections', [], 'count', 'Open connections of agents.'),
  connectionsAccepted: counter(
    'weir_connections_accepted_total',
    [],
    'count',
    'Connections that were accepted.',
  ),
  connectionsDropped: counter(
    'weir_connections_dropped_total',
    [],
    'count',
    'Connections closed for being too many.',
  ),
  upgrades: gauge('weir_upgrades', [], 'count', 'Open WebSocket connections.'),
  refused: counter(
    'weir_refused_total',
    ['status'],
    'calls',
    'Requests refused before they became a call, by status.',
  ),
  clientGone: counter(
    'weir_client_gone_total',
    [],
    'calls',
    'Calls whose client left while they were at the upstream.',
  ),
  connectRetries: counter(
    'weir_connect_retries_total',
    [],
    'attempts',
    'Connections tried again before any byte was sent.',
  ),
  timeouts: counter(
    'weir_timeouts_total',
    ['kind'],
    'calls',
    'Silences that were too long, by whose: first-byte and idle (upstream), body and slow-reader (client).',
  ),
  pressure: gauge(
    'weir_pressure_ratio',
    [],
    'ratio',
    'Use of memory and time by Weir itself; holds stop at 0.8, sheds at 0.9.',
  ),
  eventLoopDelay: gauge(
    'weir_event_loop_delay_seconds',
    ['quantile'],
    'seconds',
    'Delay of the event loop since the last scrape (or export); quantile=1 is the longest.',
  ),
  buildInfo: gauge('weir_build_info', ['version'], '0 or 1', 'Always 1; the version that runs.'),
  otlpDropped: counter(
    'weir_otlp_dropped_total',
    ['reason'],
    'count',
    'Spans that no collector has: no room to wait, not taken, or too late at the end of the process.',
  ),
  otlpFailures: counter(
    'weir_otlp_failed_exports_total',
    ['signal'],
    'count',
    'Exports that the collector did not take, retries included.',
  ),
  journalLines: counter('weir_journal_lines_total', [], 'count', 'Lines of the journal that are on disk.'),
  journalDropped: counter(
    'weir_journal_dropped_total',
    [],
    'count',
    'Lines of the journal that were dropped: a disk that is full, broken or too slow.',
  ),
  boardUp: gauge('weir_board_up', [], '0 or 1', 'Whether the board answers; 0 as well where there is none.'),
  boardReplicas: gauge('weir_board_replicas', [], 'count', 'Replicas known, this one included.'),
  boardAge: gauge(
    'weir_board_knowledge_age_seconds',
    ['upstream'],
    'seconds',
    'Since another replica last said something of the upstream; +Inf = none ever did.',
  ),
  boardSteward: gauge(
    'weir_board_steward',
    ['upstream'],
    '0 or 1',
    'Whether this replica finds the limit and the way back for all.',
  ),
  boardCommands: counter('weir_board_commands_total', [], 'count', 'Commands sent to the board.'),
  boardBytes: counter('weir_board_bytes_total', [], 'count', 'Words given to the board and taken from it.'),
  boardErrors: counter(
    'weir_board_errors_total',
    ['fault'],
    'count',
    'Exchanges that the board did not answer, by why.',
  ),
  deferredOpen: gauge(
    'weir_deferred_open',
    [],
    '0 or 1',
    'Whether a call that comes now can be promised an answer later.',
  ),
  deferred: gauge(
    'weir_deferred',
    ['state'],
    'calls',
    'Deferred calls in the store: waiting, running, ended and kept to be fetched.',
  ),
  deferredBytes: gauge('weir_deferred_bytes', [], 'bytes', 'What deferred calls and their answers take.'),
  deferredOldest: gauge(
    'weir_deferred_oldest_seconds',
    [],
    'seconds',
    'Age of the oldest deferred call that waits; 0 = none does.',
  ),
  deferredAccepted: counter(
    'weir_deferred_accepted_total',
    [],
    'calls',
    'Calls that were answered 202 by this process.',
  ),
  deferredRefused: counter(
    'weir_deferred_refused_total',
    ['reason'],
    'calls',
    'Calls that might have been deferred: the store was full or closed, or did not say whether it has them.',
  ),
  deferredEnded: counter(
    'weir_deferred_ended_total',
    ['ending'],
    'calls',
    'Deferred calls by how they ended, of all that share the store; unknown = sent, and no whole answer came.',
  ),
  deferredWithoutKey: counter(
    'weir_deferred_without_key_total',
    [],
    'count',
    'Times that a deferred call could not be run because its key is not configured.',
  ),
  commonsOpen: gauge(
    'weir_commons_open',
    [],
    '0 or 1',
    'Whether the store of the commons answers; 0 as well where there is none.',
  ),
  commonsAgents: gauge(
    'weir_commons_agents',
    ['state'],
    'count',
    'Agents: registered and alive within their TTL; seen with a call within the last minute, registered or not.',
  ),
  commonsPublished: counter(
    'weir_commons_events_published_total',
    ['by'],
    'count',
    'Events that were put on the bus by this process, by who published: agents, or Weir itself.',
  ),
  commonsLost: counter(
    'weir_commons_events_lost_total',
    [],
    'count',
    'Events of Weir itself that the store did not take.',
  ),
  commonsDelivered: counter(
    'weir_commons_events_delivered_total',
    ['to'],
    'count',
    'Events handed out by this process: to streams, to members of consumer groups, in pages.',
  ),
  commonsLag: gauge(
    'weir_commons_event_lag',
    ['reader'],
    'count',
    'Events that the stream (of this process) and the consumer group furthest behind have not been given yet.',
  ),
  commonsGroups: gauge('weir_commons_groups', [], 'count', 'Consumer groups.'),
  commonsPending: gauge(
    'weir_commons_group_pending',
    [],
    'count',
    'Events that members of consumer groups have taken and not acknowledged.',
  ),
  commonsDocuments: gauge('weir_commons_documents', [], 'count', 'Keys of the shared state.'),
  commonsBytes: gauge(
    'weir_commons_room_bytes',
    ['room'],
    'bytes',
    'What is kept, by room of the store; full is commons.maxRoomBytes.',
  ),
  commonsTasks: gauge('weir_commons_tasks', ['state'], 'count', 'Tasks by state; gate = waits for a person.'),
  commonsReassigned: counter(
    'weir_commons_tasks_reassigned_total',
    ['why'],
    'count',
    'Tasks that this process took from an owner and gave back for another one, by why.',
  ),
  commonsClaimers: gauge(
    'weir_commons_claimers',
    [],
    'count',
    'Agents that wait for a task at this process, once per capability.',
  ),
  commonsWaiting: gauge(
    'weir_commons_waiting',
    [],
    'count',
    'Event streams and long polls that are open at this process.',
  ),
  commonsMcpOpen: gauge(
    'weir_commons_mcp_open',
    [],
    'count',
    'MCP requests in progress, with those that wait and the streams that listen.',
  ),
  commonsMcpRequests: counter(
    'weir_commons_mcp_requests_total',
    ['revision'],
    'count',
    'MCP requests by the revision of the protocol that they speak.',
  ),
  authChecks: counter(
    'weir_auth_checks_total',
    ['shown', 'result'],
    'calls',
    'Requests by what they showed (key, token, certificate, nothing) and what became of it; none without auth.',
  ),
  authDenied: counter(
    'weir_auth_denied_total',
    ['what'],
    'calls',
    'Requests of known callers that their permissions do not allow, by what was in the way.',
  ),
  authCapped: counter(
    'weir_auth_capped_total',
    [],
    'calls',
    'Calls whose priority was lowered to what the agent may ask for.',
  ),
  authKeys: gauge('weir_auth_keys', [], 'count', 'API keys in force.'),
  authTokens: gauge('weir_auth_tokens', [], 'count', 'Tokens whose signature is remembered.'),
  authFailing: gauge(
    'weir_auth_failing',
    [],
    'count',
    'Files and issuers that are refused or away: the last good state is in force.',
  ),
  authIssuerAge: gauge(
    'weir_auth_issuer_age_seconds',
    ['issuer'],
    'seconds',
    'Since the keys of an issuer were had; +Inf = never, and its tokens are answered 503.',
  ),
  tlsExpiration: gauge(
    'weir_tls_certificate_expiration_timestamp_seconds',
    ['certificate'],
    'seconds',
    'When a certificate of the listener for agents ends, in Unix time, by its first DNS name.',
  ),
  tlsFailures: counter(
    'weir_tls_handshake_failures_total',
    [],
    'count',
    'TLS handshakes of agents that failed or were not done in time, client certificates included.',
  ),
  http2Connections: gauge('weir_http2_connections', [], 'count', 'HTTP/2 connections of agents.'),
  http2Floods: counter(
    'weir_http2_floods_total',
    [],
    'count',
    'HTTP/2 connections that Weir ended because they opened and reset streams in a flood.',
  ),
  ready: gauge('weir_ready', [], '0 or 1', 'Whether Weir says that it is ready for calls.'),
} as const satisfies Readonly<Record<string, MetricRow>>

/** The page `docs/metrics.md`; a test fails when the file is not what this makes. */
export function metricsReference(): string {
  const rows: readonly MetricRow[] = Object.values(METRICS)
  const lines = rows.map(({ name, type, labels, unit, help }) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${type} | ${labelled} | ${unit} | ${help} |`
  })
  return `# Metrics

Generated from \`src/telemetry/metric-names.ts\`; do not edit (\`npx vitest run src/telemetry -u\` writes it again).

Served on the operator's listener at \`/metrics\` in the Prometheus text format 0.0.4. Values are read when somebody
scrapes; nothing is built on the path of a call. Behind them follow \`process_*\` and \`nodejs_*\`, the default metrics
of prom-client. Label values come from closed lists (reasons, outcomes and conditions have the same words in the
response headers and in the log) or from the config; \`agent\` is capped by \`metrics.agents\`, and everyone past the
cap shares \`agent="other"\`. Those of the table are exported over OTLP as well: see \`docs/opentelemetry.md\`.

| name | type | labels | unit | meaning |
|---|---|---|---|---|
${lines.join('\n')}
`
}

function counter(
  name: MetricRow['name'],
  labels: readonly string[],
  unit: MetricRow['unit'],
  help: string,
): MetricRow {
  return { name, type: 'counter', labels, unit, help }
}

function gauge(
  name: MetricRow['name'],
  labels: readonly string[],
  unit: MetricRow['unit'],
  help: string,
): MetricRow {
  return { name, type: 'gauge', labels, unit, help }
}

function histogram(name: MetricRow['name'], labels: readonly string[], help: string): MetricRow {
  return { name, type: 'histogram', labels, unit: 'seconds', help }
}
