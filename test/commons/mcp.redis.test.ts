/** Two Weirs whose commons is one Redis: a client of MCP may come to either of them, for each request anew. */
import { afterEach, expect, it } from 'vitest'
import { DEFAULT_LIMITS, storeBounds } from '../../src/commons/limits.ts'
import { filledIn, type Conversation } from '../../src/commons/mcp/conversation.ts'
import { sinceNow, tellChanges } from '../../src/commons/mcp/changes.ts'
import { MOST_SESSIONS_OF_ONE, Sessions } from '../../src/commons/mcp/sessions.ts'
import { Seal } from '../../src/commons/mcp/seal.ts'
import { RedisStore } from '../../src/commons/stores/redis-store.ts'
import { caller, LiveWall, testCommons, type TestCommons } from './kit.ts'
import { RedisServer } from '../kit/redis-server.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function weirs(): Promise<[TestCommons, TestCommons]> {
  const redis = await RedisServer.start()
  closing.push(() => redis.close())
  const open = async (): Promise<TestCommons> => {
    const target = { url: redis.url, prefix: 'mcp' }
    const store = new RedisStore(target, storeBounds(DEFAULT_LIMITS), () => Date.now())
    await store.open()
    closing.push(() => store.close())
    return testCommons(new LiveWall(), store)
  }
  return [await open(), await open()]
}

it('a session that one Weir opened is known to the other, with what is asked and answered in it', async () => {
  const [one, two] = await weirs()
  const [here, there] = [new Sessions(one.store), new Sessions(two.store)]
  const session = await here.open(
    caller('ann'),
    new Set(['elicitation'] satisfies Parameters<Conversation['can']>),
  )
  const ids = await here.asked(session, ['decision'])
  const same = await there.find(session.id, caller('ann'))
  expect(same?.abilities).toEqual(['elicitation'])
  const result = { action: 'accept', content: { decision: 'cancel' } }
  expect(await there.answered(same!, ids.get('decision')!, { result })).toBe(true)
  const said = (await here.said(session))?.[ids.get('decision')!]
  expect(filledIn((said as { result: typeof result }).result)).toEqual({ decision: 'cancel' })
  for (let each = 0; each < MOST_SESSIONS_OF_ONE; each++) await there.open(caller('ann'), new Set())
  expect(await one.store.count('mcp-session-of/ann')).toBe(MOST_SESSIONS_OF_ONE)
})

it('what one Weir sealed the other opens, whoever was first', async () => {
  const [one, two] = await weirs()
  const [here, there] = [new Seal(one.store), new Seal(two.store)]
  const [first, second] = await Promise.all([here.close('from here'), there.close('from there')])
  expect([await there.open(first), await here.open(second)]).toEqual(['from here', 'from there'])
})

it('a change at one Weir is told by the other', async () => {
  const [one, two] = await weirs()
  const leaving = new AbortController()
  const context = { commons: two, caller: caller('ann'), signal: leaving.signal, wait: () => {} }
  const uris = new Set(['weir://state/plan', 'weir://state/other'])
  const since = await sinceNow(context)
  const told = new Promise<string>((resolve) => {
    const following = {
      wanted: () => Promise.resolve(uris),
      tell: async (uri: string) => resolve(uri),
      signal: leaving.signal,
    }
    const telling = tellChanges(following, since, context)
    closing.push(async () => {
      leaving.abort()
      await telling
    })
  })
  await one.state.write(caller('bob'), 'plan', 1, {}, 0)
  expect(await told).toBe('weir://state/plan')
})
