/** Joins the admission desk to the proxy: paths of Weir's own in front, places in the core behind. */
import type { AdmissionConfig } from './admission-config.ts'
import { serveAuthz } from './admit/authz.ts'
import { Desk } from './admit/desk.ts'
import { serveAdmit } from './admit/face.ts'
import { ADMIT_PATH, AUTHZ_PATH } from './admit/routes.ts'
import type { Turn } from './admit/turn.ts'
import type { Millis, Outcome, Verdict } from './core/model.ts'
import type { Guests } from './proxy/guests.ts'
import type { OwnHandler } from './proxy/lifecycle.ts'
import type { UpstreamOptions } from './proxy/options.ts'
import { errorFields, type Log } from './telemetry/log.ts'
import { VERSION } from './version.ts'

export interface AdmissionMembership {
  readonly own: OwnHandler
  /** Ends waits of requests. */
  drain(): void
  close(): void
}

/** How a ticket ended, for the journal. */
export interface EndedTicket {
  readonly slot: number
  readonly id: string
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly verdict: Verdict | undefined
}

export interface AdmissionSurroundings {
  /** Late: the proxy needs the handler to begin with. */
  readonly guests: () => Guests
  readonly upstreams: readonly UpstreamOptions[]
  readonly clock: () => Millis
  readonly wall: () => Millis
  readonly log: Log
  readonly ruleId: (rule: number) => string
  readonly onEnd: (ticket: EndedTicket, outcome: Outcome) => void
}

const NONE: AdmissionMembership = { own: () => false, drain: () => {}, close: () => {} }

export function joinAdmission(
  config: AdmissionConfig | undefined,
  around: AdmissionSurroundings,
): AdmissionMembership {
  if (config === undefined) return NONE
  const { clock, wall, log, ruleId } = around
  const upstreams = around.upstreams.map(({ name }) => name)
  const dialects = around.upstreams.map(({ dialect }) => dialect)
  const onTrouble = (error: unknown): void =>
    log.limited('error', 'admission', errorFields(error), 'an admission failed')
  let joined: { readonly desk: Desk; readonly guests: Guests } | undefined

  /** At the first question: without one there is no desk. */
  function room(): { readonly desk: Desk; readonly guests: Guests } {
    if (joined !== undefined) return joined
    const guests = around.guests()
    const onEnd = (id: string, turn: Turn, outcome: Outcome): void => {
      const { status, verdict, arrival } = turn
      around.onEnd({ slot: arrival.call, id, status, bytesIn: 0, bytesOut: 0, verdict }, outcome)
    }
    joined = { guests, desk: new Desk(config!, { guests, clock, onEnd }) }
    return joined
  }

  return {
    own(request, response, path, caller) {
      const isAdmit = path === ADMIT_PATH || path.startsWith(`${ADMIT_PATH}/`)
      if (!isAdmit && !path.startsWith(AUTHZ_PATH)) return false
      const face = { ...room(), clock, wall, upstreams, dialects, ruleId, version: VERSION, onTrouble }
      if (isAdmit) serveAdmit(face, request, response, path, caller)
      else serveAuthz(face, request, response, caller)
      return true
    },
    drain: () => joined?.desk.drain(),
    close: () => joined?.desk.close(),
  }
}
