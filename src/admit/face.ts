/** `/weir/v1/admit`: asks the desk, answers in JSON; what is wrong is a problem (RFC 9457), as on the commons' paths. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { z } from 'zod'
import type { Millis } from '../core/model.ts'
import { parseJson } from '../commons/json.ts'
import { Refused } from '../commons/refused.ts'
import { send, sendProblem } from '../commons/http/answers.ts'
import { checked } from '../commons/http/checked.ts'
import { openApi } from '../commons/http/openapi.ts'
import { readBody } from '../commons/http/read-body.ts'
import type { Guests } from '../proxy/guests.ts'
import type { OwnCaller } from '../proxy/lifecycle.ts'
import { ask, fill, report } from './ask.ts'
import type { Desk, TicketView } from './desk.ts'
import { ADMIT_PATH, ADMIT_ROUTES, type Admission } from './routes.ts'

export interface FaceRoom {
  readonly desk: Desk
  readonly guests: Guests
  readonly clock: () => Millis
  readonly wall: () => Millis
  readonly upstreams: readonly string[]
  readonly ruleId: (rule: number) => string
  readonly version: string
  readonly onTrouble: (error: unknown) => void
}

const MOST_BYTES = 16 * 1024
const OPENAPI_PATH = `${ADMIT_PATH}/openapi.json`
/** base64url of 16 bytes. */
const TICKET = /^[A-Za-z0-9_-]{22}$/
const MARK = { 'weir-source': 'proxy' } as const

/** Answers one request below `ADMIT_PATH`. */
export function serveAdmit(
  room: FaceRoom,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  caller: OwnCaller,
): void {
  response.on('error', ignore)
  answer(room, request, response, path, caller).catch((error: unknown) => {
    request.resume()
    const allow = error instanceof WrongMethod ? { allow: error.allowed } : {}
    if (sendProblem(response, error, { ...MARK, ...allow })) room.onTrouble(error)
  })
}

async function answer(
  room: FaceRoom,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  caller: OwnCaller,
): Promise<void> {
  const { method = 'GET' } = request
  refuseForeign(request.headers.origin)
  if (path === OPENAPI_PATH) {
    demand(method, 'GET')
    const about = { title: 'Weir: admission', description: 'Ask before a step, and say how it ended.' }
    send(response, { status: 200, headers: MARK, body: openApi(ADMIT_ROUTES, room.version, about) })
    return
  }
  const id = path === ADMIT_PATH ? '' : path.slice(ADMIT_PATH.length + 1)
  if (id !== '' && !TICKET.test(id)) throw new Refused('unknown', 'there is nothing at this path')
  demand(method, id === '' ? 'POST' : 'POST, GET')
  const holder = { agent: caller.agent, isVerified: caller.trust === 'verified' }
  if (method === 'GET') {
    tell(room, response, room.desk.look(id, holder))
    return
  }
  const gone = goneSignal(response)
  const body = await readJson(request, response)
  if (id === '') {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed by this very schema
    const asked = checked(ask, body, '') as z.output<typeof ask>
    const { rawHeaders, socket } = request
    const asker = { caller, rawHeaders, remoteAddress: socket.remoteAddress ?? '' }
    const { leaseMs, waitMs = 0 } = asked
    const terms = { isVerified: holder.isVerified, leaseMs, waitMs, isMeasured: true }
    tell(
      room,
      response,
      await room.desk.ask((arrival) => fill(arrival, asked, asker, room.guests), terms, gone),
    )
    return
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed by this very schema
  const told = checked(report, body, '') as z.output<typeof report>
  tell(room, response, await room.desk.report(id, holder, told, gone))
}

function tell(room: FaceRoom, response: ServerResponse, view: TicketView): void {
  send(response, { status: 200, headers: MARK, body: shown(room, view) })
}

function shown({ clock, wall, upstreams, ruleId }: FaceRoom, view: TicketView): Admission {
  const instant = (at: Millis): { waitMs: number; at: string } => {
    const waitMs = Math.max(1, Math.ceil(at - clock()))
    return { waitMs, at: new Date(wall() + waitMs).toISOString() }
  }
  if (view.is === 'ended') return { answer: 'ended', ...(view.slotAt > 0 ? instant(view.slotAt) : {}) }
  const { decision, id, leaseMs } = view
  const { reason, rule, upstream } = decision
  const name = rule === -1 ? '' : ruleId(rule)
  const said = {
    reason,
    ...(name === '' ? {} : { rule: name }),
    upstream: upstreams[upstream] ?? '',
    heldMs: Math.round(view.heldMs),
  }
  if (decision.is === 'go') return { answer: 'go', ticket: id, leaseMs, ...said }
  if (decision.is === 'wait') return { answer: 'wait', ticket: id, ...said, ...instant(decision.until) }
  if (decision.is === 'slot') return { answer: 'slot', ...said, ...instant(decision.at) }
  return { answer: 'refused', ...said }
}

async function readJson(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  if (request.headers.expect !== undefined) response.writeContinue()
  const text = (await readBody(request, MOST_BYTES)).toString('utf8')
  return text === '' ? {} : parseJson(text, 'body', MOST_BYTES)
}

class WrongMethod extends Refused {
  readonly allowed: string

  constructor(method: string, allowed: string) {
    super('wrong-method', `${method} is not served here; allowed: ${allowed}`)
    this.allowed = allowed
  }
}

function demand(method: string, allowed: string): void {
  if (!allowed.split(', ').includes(method)) throw new WrongMethod(method, allowed)
}

/** Orchestrators are not browsers: a page must not speak for one (DNS rebinding). @throws Refused `forbidden` */
function refuseForeign(origin: string | undefined): void {
  if (origin !== undefined) throw new Refused('forbidden', 'pages of a browser have no access')
}

function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

function ignore(): void {}
