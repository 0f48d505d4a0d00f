/** Names that real clients can give without a line of code, and that no upstream gets to see. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, startWorld } from './kit.ts'
import type { World } from './kit.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await world.close()
})

/** The headers as the upstream got them, lower case. */
function echoed(answer: unknown): Map<string, string> {
  const flat = (answer as { headers: string[] }).headers
  return new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), flat[at + 1] ?? '']] : [])))
}

describe('an agent', () => {
  it('of the OpenAI SDK is named by OPENAI_BASE_URL and OPENAI_CUSTOM_HEADERS alone', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-1')
    vi.stubEnv('OPENAI_BASE_URL', `${world.base()}/v1`)
    vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'weir-agent: clerk\nweir-workflow: run-7\nweir-priority: batch')
    const headers = echoed(await new OpenAI().get('/anything?headers=1'))
    expect([...headers.keys()].filter((name) => name.startsWith('weir'))).toEqual([])
    expect(headers.get('authorization')).toBe('Bearer sk-1')
    expect(await eventually(() => world.seen.length === 1)).toBe(true)
    expect(world.seen[0]).toMatchObject({ agent: 'clerk', workflow: 'run-7' })
  })

  it('of the Anthropic SDK is named by ANTHROPIC_BASE_URL and ANTHROPIC_CUSTOM_HEADERS alone', async () => {
    vi.stubEnv('ANTHROPIC_API_KEY', 'sk-2')
    vi.stubEnv('ANTHROPIC_BASE_URL', world.base())
    vi.stubEnv('ANTHROPIC_CUSTOM_HEADERS', 'weir-agent: writer')
    const headers = echoed(await new Anthropic().get('/anything?headers=1'))
    expect(headers.has('weir-agent')).toBe(false)
    expect(await eventually(() => world.seen.length === 1)).toBe(true)
    expect(world.seen[0]).toMatchObject({ agent: 'writer', family: 'anthropic-js' })
  })

  it('that is one of several on one machine is known by its key, which Weir shows to nobody', async () => {
    for (const apiKey of ['sk-one', 'sk-two', 'sk-one']) {
      await new OpenAI({ apiKey, baseURL: `${world.base()}/v1` }).models.list()
    }
    const agents = world.app.core.agents(performance.now(), 10)
    expect(agents.map(({ calls }) => calls)).toEqual([2, 1])
    for (const { agent } of agents) expect(agent).toMatch(/^key-[0-9a-f]+$/)
  })

  it('with a project is known by it', async () => {
    const client = new OpenAI({ apiKey: 'sk', project: 'proj_a', baseURL: `${world.base()}/v1` })
    const headers = echoed(await client.get('/anything?headers=1'))
    expect(headers.get('openai-project')).toBe('proj_a')
    expect(world.app.core.agents(performance.now(), 10)[0]?.agent).toBe('proj_a')
  })

  it('of a harness is known by the harness, its session being the workflow', async () => {
    const client = new Anthropic({
      apiKey: 'sk',
      baseURL: world.base(),
      defaultHeaders: {
        'user-agent': 'claude-cli/2.0.0 (external, cli)',
        'x-claude-code-session-id': 'session-1',
        'x-claude-code-agent-id': 'agent-9',
      },
    })
    await client.messages.create({ model: 'm', max_tokens: 8, messages: [{ role: 'user', content: 'hi' }] })
    expect(await eventually(() => world.seen.length === 1)).toBe(true)
    expect(world.seen[0]).toMatchObject({ agent: 'agent-9', workflow: 'session-1', family: 'claude-code' })
  })
})
