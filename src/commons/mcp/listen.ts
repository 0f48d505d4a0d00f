/** A stream of changes (MCP 2026-07-28, subscriptions): one request that says what it wants, and is answered at its end. */
import { isObject, type Json, type JsonObject } from '../json.ts'
import { Refused } from '../refused.ts'
import { INVALID_PARAMS, McpFault } from './fault.ts'
import type { McpOffer } from './offer.ts'
import type { Reply } from './reply.ts'
import { MOST_FOLLOWED } from './sessions.ts'
import type { CallContext } from './tools.ts'

interface Listen {
  readonly id: string | number
  readonly params: JsonObject
}

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'

/** Ends when Weir goes away, with this answer, or when the client does. @throws McpFault, Refused */
export async function listened(
  { id, params }: Listen,
  reply: Reply,
  offer: McpOffer,
  context: CallContext,
): Promise<{ readonly _meta: object }> {
  if (!reply.mayStream) throw new McpFault(INVALID_PARAMS, 'Accept must name text/event-stream')
  const uris = await followed(params['notifications'], offer)
  context.wait()
  const follow = await offer.changes()
  const tag = { _meta: { [SUBSCRIPTION]: id } }
  const notify = (method: string, more: object): Promise<void> =>
    reply.tell({ jsonrpc: '2.0', method, params: { ...tag, ...more } })
  const notifications = uris.size === 0 ? {} : { resourceSubscriptions: [...uris] }
  await notify('notifications/subscriptions/acknowledged', { notifications })
  await follow({
    wanted: () => Promise.resolve(uris),
    tell: (uri) => notify('notifications/resources/updated', { uri }),
    signal: context.signal,
  })
  return tag
}

/** What can be followed of that which is asked for; the acknowledgment says what that is. @throws McpFault */
async function followed(asked: Json | undefined, offer: McpOffer): Promise<ReadonlySet<string>> {
  const wanted = isObject(asked) ? asked['resourceSubscriptions'] : undefined
  const uris: readonly Json[] = Array.isArray(wanted) ? wanted : []
  if (uris.length > MOST_FOLLOWED) {
    throw new McpFault(INVALID_PARAMS, `at most ${MOST_FOLLOWED} resources can be followed`)
  }
  const honoured = new Set<string>()
  for (const uri of uris) {
    if (typeof uri === 'string' && (await canFollow(uri, offer))) honoured.add(uri)
  }
  return honoured
}

async function canFollow(uri: string, offer: McpOffer): Promise<boolean> {
  try {
    await offer.checkFollowed(uri)
    return true
  } catch (error) {
    if (error instanceof Refused) return false
    throw error
  }
}
