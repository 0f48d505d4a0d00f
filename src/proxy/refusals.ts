/**
 * Why Weir answers by itself, as data: one row per cause, read by `respond.ts` alone. Every sentence says what
 * happened and what to do; none names an upstream, a path or a peer.
 */
import type { Reason } from '../core/model.ts'

export interface Refusal {
  /** Body code. Differs from the reason where the reason's word makes a client give up (see `dialect.ts`). */
  readonly code: string
  /** Status when the caller has a slot. 429 = contended; 503 = no room, going away, or nothing behind. */
  readonly status: 429 | 503
  /** Status of a shed without a slot: 403 is final for every client family (wire.md 10 b). */
  readonly finalStatus: 403 | 503 | 504
  readonly message: string
}

function contended(code: string, message: string): Refusal {
  return { code, status: 429, finalStatus: 403, message }
}

function unavailable(code: string, message: string): Refusal {
  return { code, status: 503, finalStatus: 503, message }
}

const COME_BACK = 'Come back at the given time; that slot is yours.'

/** A verdict or an expired hold, by reason. */
export const REFUSALS: Readonly<Record<Reason, Refusal>> = {
  healthy: contended('coordination_deferred', `Coordination slot assigned. ${COME_BACK}`),
  exempt: contended('coordination_deferred', `Coordination slot assigned. ${COME_BACK}`),
  'under-limit': contended('coordination_deferred', `Coordination slot assigned. ${COME_BACK}`),
  'slot-kept': contended('coordination_deferred', `Coordination slot assigned. ${COME_BACK}`),
  probe: contended('upstream_on_trial', `The upstream is being tried out. ${COME_BACK}`),
  ramp: contended('upstream_recovering', `The upstream is recovering and opens in stages. ${COME_BACK}`),
  recovered: contended('upstream_recovering', `The upstream is recovering and opens in stages. ${COME_BACK}`),
  drift: contended('upstream_drifting', `The upstream is slower or fails more than usual. ${COME_BACK}`),
  storm: contended('retry_storm', `Many agents retry at once; calls are spread out. ${COME_BACK}`),
  saturated: contended('upstream_saturated', `The upstream has all the calls that it can bear. ${COME_BACK}`),
  down: unavailable('upstream_down', `The upstream does not answer. ${COME_BACK}`),
  quota: contended('upstream_allowance_spent', `The upstream's allowance is spent for now. ${COME_BACK}`),
  'retry-budget': contended(
    'retry_budget_spent',
    `Too many calls to this upstream are retries. ${COME_BACK}`,
  ),
  'rate-limit': contended('rate_limit', `A configured rate is reached. ${COME_BACK}`),
  'concurrency-limit': contended('concurrency_limit', `A configured concurrency is reached. ${COME_BACK}`),
  'fair-share': contended('fair_share', `This agent has its part and others wait. ${COME_BACK}`),
  'fan-out': contended(
    'fan_out',
    'The workflow is wider or deeper than its class allows; make fewer calls at once.',
  ),
  loop: contended('loop', 'The agent or workflow repeats itself; change the call or stop.'),
  budget: contended(
    'workflow_budget_spent',
    "The workflow's budget of calls is spent; start another or stop.",
  ),
  'queue-full': unavailable('queue_full', `No room to wait. ${COME_BACK}`),
  'hold-memory': unavailable('hold_memory', `No memory to wait in for a request of this size. ${COME_BACK}`),
  deadline: {
    code: 'deadline',
    status: 429,
    finalStatus: 504,
    message: "The call cannot be answered within the client's own deadline.",
  },
  forbidden: contended('forbidden', 'A policy refuses this call for good; do not send it again.'),
  policy: contended('policy', 'A policy refuses this call.'),
  overload: unavailable('overload', `Weir itself is short of memory or time. ${COME_BACK}`),
  draining: unavailable('draining', `Weir is going away. ${COME_BACK}`),
}

/** A hold that ended without a slot. */
export const HOLD_EXPIRED = {
  code: 'hold_expired',
  status: 504,
  message: 'The call waited as long as it may, and there was no room for it.',
} as const

/** Weir's own failures towards an upstream or while it reads a request; the key is the stable code. */
export const PROBLEMS = {
  connect_failed: { status: 502, message: 'No connection to the upstream could be made.' },
  connect_timeout: { status: 502, message: 'No connection to the upstream could be made in time.' },
  tls_failed: { status: 502, message: "The upstream's certificate or TLS handshake was not accepted." },
  upstream_reset: { status: 502, message: 'The upstream closed the connection before it answered.' },
  bad_response: { status: 502, message: "The upstream's answer was not valid HTTP." },
  upgrade_failed: { status: 502, message: 'The upstream did not complete the upgrade.' },
  first_byte_timeout: { status: 504, message: 'The upstream did not start to answer in time.' },
  body_timeout: { status: 504, message: 'The upstream stopped in the middle of its answer.' },
  going_away: { status: 504, message: 'The upstream has not answered, and Weir is going away.' },
  signature_broken: {
    status: 400,
    message:
      'The call is signed (SigV4) for the host and path of Weir, which the upstream would refuse. Let Weir sign (`aws` of the upstream), or use a bearer key (AWS_BEARER_TOKEN_BEDROCK).',
  },
  signed_stream: {
    status: 400,
    message:
      'Each piece of the request is signed after the one before it, so that nobody on the way can sign it anew. Use a bearer key (AWS_BEARER_TOKEN_BEDROCK).',
  },
  too_large_to_sign: {
    status: 413,
    message:
      'The request body is larger than what is read to be signed, and x-amz-content-sha256 is not said.',
  },
  grpc_not_forwarded: { status: 501, message: 'gRPC is not forwarded to this upstream.' },
  too_many_in_flight: { status: 503, message: 'Too many calls to this upstream are open.' },
  too_many_upgrades: { status: 503, message: 'Too many upgraded connections are open.' },
  request_timeout: { status: 408, message: 'The request body stopped arriving.' },
  bad_request_body: { status: 400, message: 'The request body was not valid HTTP or was cut off.' },
  too_large_to_defer: { status: 413, message: 'The request body is larger than what is kept for later.' },
  internal: { status: 500, message: 'Weir failed to handle the call.' },
} as const satisfies Readonly<Record<string, { status: number; message: string }>>

export type Problem = keyof typeof PROBLEMS

/** Codes of answers given before a call exists, by status. */
export const EARLY_CODES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'request_too_large',
  414: 'url_too_long',
  417: 'expectation_failed',
  426: 'upgrade_required',
  431: 'headers_too_large',
  500: 'internal',
  501: 'not_implemented',
  503: 'unavailable',
  505: 'version_not_supported',
  508: 'loop_detected',
}
