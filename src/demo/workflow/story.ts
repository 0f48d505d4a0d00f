/**
 * The workflow demo: four agents in processes of their own carry stories from research to publication through one Weir.
 * One agent is killed in the middle of a draft, and the model that drafts and reviews need degrades while they run. No
 * script says who takes what: the story waits for what happens on the bus, and goes on from there.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Millis } from '../../core/model.ts'
import type { Sandbox } from '../sandbox.ts'
import { WorkflowAccount, type WorkflowResult } from './account.ts'
import { startNeighbours } from './neighbours.ts'
import { CREW, storyTask, WORK, type Crew } from './plan.ts'
import { sentenceOf, storyEvent, type StoryEvent } from './sentences.ts'
import { byHttp, record, textOf, type Speak } from './speaker.ts'

export interface WorkflowTimes {
  /** Of the upstreams' usual traffic, before the first story. */
  readonly warmUpMs: Millis
  readonly everyMs: Millis
  /** At least, and at most until one of them had to wait for the model. */
  readonly stories: { readonly least: number; readonly most: number }
  /** The model stays as it is for so long after the first task had to wait for it. */
  readonly troubleMs: Millis
  /** The whole, whatever happens. */
  readonly limitMs: Millis
}

export const FULL_WORKFLOW: WorkflowTimes = {
  warmUpMs: 7000,
  everyMs: 1200,
  stories: { least: 6, most: 12 },
  troubleMs: 6000,
  limitMs: 120_000,
}
export const QUICK_WORKFLOW: WorkflowTimes = {
  warmUpMs: 5000,
  everyMs: 1200,
  stories: { least: 3, most: 12 },
  troubleMs: 2500,
  limitMs: 90_000,
}

/** Where the story is played. */
export interface Stage {
  /** Of the agents' listener of Weir. */
  readonly origin: string
  readonly tools: Sandbox
  readonly model: Sandbox
}

/** What is shown while it plays, and asked. */
export interface Audience {
  /** One line of the story. */
  tell(line: string): void
  status(account: WorkflowAccount, agents: number): void
  /** Runs a verb of `weir` against this Weir; answers what it printed. */
  ask(...words: string[]): Promise<string>
}

export interface Told {
  readonly result: WorkflowResult
  /** What Weir said would happen if the killed agent's step failed, an instant before it was killed. */
  readonly foretold: readonly string[]
  /** Each question with the command that answered it, and its answer. */
  readonly answers: readonly Answered[]
}

export interface Answered {
  readonly question: string
  readonly command: string
  readonly answer: string
}

/** While it is slow, it can serve four fifths of what its callers want. */
const SLOW = 2.5
const DEGRADING = 'model'
const WELL: ReadonlySet<string> = new Set(['healthy', 'watch'])
const OWNER = 'workflow-owner'
/** Into the draft: it takes four calls of 300 ms each. */
const KILL_AFTER_MS: Millis = 300
const JOIN_MS: Millis = 30_000

export async function playWorkflow(stage: Stage, times: WorkflowTimes, audience: Audience): Promise<Told> {
  const { origin, tools, model } = stage
  const account = new WorkflowAccount()
  const speak = byHttp(origin, OWNER)
  const startedAt = performance.now()
  const leaving = new AbortController()
  const crew = new Map(CREW.map((member) => [member.name, hire(member, origin)]))
  const at = { victim: '', task: '', parked: '', workflow: '' }
  let foretold: readonly string[] = []
  let stories = 0
  const isOver = (): boolean => performance.now() - startedAt > times.limitMs
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue() && !isOver()) {
      audience.status(account, alive(crew))
      await sleep(100)
    }
  }

  function take(event: StoryEvent, workflow: string): void {
    const needs = (kind: string): boolean =>
      Object.entries(WORK).some(([step, work]) => step === kind && work.upstream === DEGRADING)
    account.take(event, DEGRADING, needs, performance.now())
    const line = sentenceOf(event, workflow)
    if (line !== '') audience.tell(line)
    const { type, data } = event
    if (at.task === '' && type === 'weir.task.assigned' && textOf(data, 'kind') === 'draft') {
      Object.assign(at, { victim: textOf(data, 'owner'), task: textOf(data, 'task'), workflow })
    }
    if (at.parked === '' && type === 'weir.task.parked') at.parked = textOf(data, 'task')
  }

  const following = follow(origin, leaving.signal, take)
  let neighbours: ReturnType<typeof startNeighbours> | undefined
  try {
    await joined(speak, isOver)
    // Only now: a machine that starts four processes is no picture of a model that is well.
    neighbours = startNeighbours((agent) => `${origin}/@${agent}/${DEGRADING}/v1/chat/completions`)
    const warmAt = performance.now() + times.warmUpMs
    await until(() => performance.now() >= warmAt && WELL.has(account.condition))
    const creating = create()
    await until(() => at.task !== '')
    await sleep(KILL_AFTER_MS)
    foretold = await foresee(origin, at.task)
    audience.tell(`${at.victim} is killed in the middle of ${at.workflow} draft`)
    account.killed(at.victim, at.task, performance.now())
    crew.get(at.victim)?.kill('SIGKILL')
    await until(() => account.isTakenOver)
    audience.tell('the model begins to degrade: each answer takes two and a half times as long')
    model.behave({ phases: [{ from: 0, until: Infinity, slow: SLOW }] })
    await until(() => at.parked !== '' || account.counts.done >= stories * CREW.length)
    const waits = at.parked === '' ? '' : await audience.ask('what-if', at.parked)
    await Promise.all([creating, sleep(times.troubleMs)])
    audience.tell('the model is well again')
    model.behave({ phases: [] })
    await until(() => account.counts.done + account.counts.gate >= stories * CREW.length)
    const answers = [
      {
        question: 'Every agent, and what it can do?',
        command: 'weir agents',
        answer: await audience.ask('agents'),
      },
      {
        question: `Every handoff of ${at.workflow}, in which ${at.victim} was killed, as a structured message?`,
        command: `weir handoffs ${at.workflow}`,
        answer: await audience.ask('handoffs', at.workflow),
      },
      {
        question: 'What happens if this step fails now? (asked while the model was degraded)',
        command: `weir what-if ${at.parked}`,
        answer: waits,
      },
    ]
    const publications = Array.from({ length: stories }, (_, index) => {
      const call = tools.ledger.calls.get(`publish-${nameOf(index + 1)}`)
      return call?.completions ?? 0
    })
    const seconds = (performance.now() - startedAt) / 1000
    return { result: account.result(stories, publications, DEGRADING, seconds), answers, foretold }
  } finally {
    leaving.abort()
    neighbours?.stop()
    for (const child of crew.values()) child.kill('SIGKILL')
    await following.catch(() => {})
  }

  async function create(): Promise<void> {
    const { least, most } = times.stories
    while (stories < most && (stories < least || at.parked === '') && !isOver()) {
      stories += 1
      await speak('create_task', { ...storyTask(nameOf(stories)) })
      await sleep(times.everyMs)
    }
  }
}

function nameOf(number: number): string {
  return `story-${number}`
}

function hire({ name, speaks, can }: Crew, origin: string): ChildProcess {
  const script = join(import.meta.dirname, `agent${extname(import.meta.filename)}`)
  return fork(script, [origin, name, speaks, ...can], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

function alive(crew: ReadonlyMap<string, ChildProcess>): number {
  return [...crew.values()].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    .length
}

async function foresee(origin: string, task: string): Promise<readonly string[]> {
  const answer = await fetch(`${origin}/weir/v1/tasks/${task}/what-if`, { headers: { 'weir-agent': OWNER } })
  const { says } = record(await answer.json())
  return Array.isArray(says) ? says.map(String) : []
}

/** @throws when they do not come */
async function joined(speak: Speak, isOver: () => boolean): Promise<void> {
  const by = performance.now() + JOIN_MS
  while (performance.now() < by && !isOver()) {
    const { agents } = await speak('agents', {})
    const there = Array.isArray(agents)
      ? agents.map(record).filter((agent) => agent['registered'] === true)
      : []
    if (there.length >= CREW.length) return
    await sleep(100)
  }
  throw new Error(`the ${CREW.length} agents did not all register within ${JOIN_MS / 1000} s`)
}

/** Reads the bus from its beginning until it is told to stop. */
async function follow(
  origin: string,
  signal: AbortSignal,
  take: (event: StoryEvent, workflow: string) => void,
): Promise<void> {
  const headers = { 'weir-agent': OWNER, accept: 'text/event-stream' }
  const answer = await fetch(`${origin}/weir/v1/events?type=weir.*&after=0`, { headers, signal })
  let text = ''
  for await (const chunk of (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '))
      if (data === undefined) continue
      const body = data.slice('data: '.length)
      take(storyEvent(body), textOf(record(JSON.parse(body)), 'correlationid'))
    }
  }
}
