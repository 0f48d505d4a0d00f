/** `weir top`: what the dashboard shows, in a terminal; once, when nobody sits at it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import type { LiveFrame } from '../admin/live-frame.ts'
import type { EventView } from '../admin/views.ts'
import { eventsOf, framesOf, NoOperatorError } from './top-source.ts'
import { painted, takeTerminal } from './top-terminal.ts'
import { screen, TABS, wholePage, type Tab } from './top-view.ts'

interface TopFlags {
  readonly operator: URL
  readonly json?: boolean
  readonly once?: boolean
}

/** Kept for the list of events; a screen shows fewer. */
const MOST_EVENTS = 200
const RETRY_MS = 2000
/** A pipe or a file is as wide as the longest line. */
const PLAIN_COLUMNS = 10_000

export function topCommand(): Command {
  return new Command('top')
    .description('upstreams, agents, workflows and events of a running Weir, live in the terminal')
    .option('--operator <url>', "the operator's listener", operatorUrl, new URL('http://127.0.0.1:9090'))
    .option('--json', 'print one frame a second as a line of JSON')
    .option('--once', 'print once and end; so does a terminal that is none')
    .action(async (flags: TopFlags) => {
      const isLive = process.stdin.isTTY && process.stdout.isTTY && flags.once !== true
      try {
        if (flags.json === true) await printJson(flags.operator, flags.once === true)
        else if (isLive) await watch(flags.operator)
        else await printOnce(flags.operator)
      } catch (error) {
        if (!(error instanceof NoOperatorError)) throw error
        process.stderr.write(`weir top: ${error.message}\n`)
        process.exitCode = 1
      }
    })
}

function operatorUrl(text: string): URL {
  const full = /^https?:\/\//.test(text) ? text : `http://${text}`
  if (!URL.canParse(full)) throw new InvalidArgumentError('It must be like http://127.0.0.1:9090.')
  return new URL(full)
}

/** The second frame is the first whose rates are known. */
async function printJson(operator: URL, isOnce: boolean): Promise<void> {
  const stop = new AbortController()
  let frames = 0
  for await (const frame of framesOf(operator, stop.signal)) {
    frames += 1
    if (isOnce && frames < 2) continue
    process.stdout.write(`${JSON.stringify(frame)}\n`)
    if (isOnce) break
  }
  stop.abort()
}

async function printOnce(operator: URL): Promise<void> {
  const stop = new AbortController()
  const events: EventView[] = []
  const reading = keepEvents(operator, stop.signal, (event) => events.push(event)).catch(() => {})
  let frames = 0
  for await (const frame of framesOf(operator, stop.signal)) {
    frames += 1
    if (frames < 2) continue
    const hasColour = process.stdout.isTTY && hasColours()
    const columns = process.stdout.isTTY ? process.stdout.columns : PLAIN_COLUMNS
    const lines = wholePage({ frame, events }).map((line) => painted(line, columns, hasColour).trimEnd())
    process.stdout.write(`${lines.join('\n')}\n`)
    break
  }
  stop.abort()
  await reading
}

/** Until `q`, Ctrl-C or a signal. @throws NoOperatorError when there is nothing from the start */
async function watch(operator: URL): Promise<void> {
  const stop = new AbortController()
  const events: EventView[] = []
  const sort: Record<Tab, number> = { agents: 0, workflows: 0, events: 0 }
  let tab: Tab = 'agents'
  let frame: LiveFrame | undefined
  let lostSince: number | undefined
  let failure: unknown

  const terminal = takeTerminal(process.stdin, process.stdout, hasColours(), (key) => {
    const number = TABS[Number(key) - 1]
    if (key === 'q' || key === '\u0003') stop.abort()
    else if (key === 's') sort[tab] += 1
    else if (key === 'right' || key === '\t') tab = neighbour(tab, 1)
    else if (key === 'left') tab = neighbour(tab, -1)
    else if (number !== undefined) tab = number
    draw()
  })
  function draw(): void {
    if (frame !== undefined) terminal.show(screen({ frame, events, tab, sort, lostSince }, terminal.rows))
  }
  const resized = (): void => {
    terminal.clear()
    draw()
  }
  const ended = (signal: NodeJS.Signals): void => {
    process.exitCode = signal === 'SIGTERM' ? 143 : 130
    stop.abort()
  }
  process.stdout.on('resize', resized)
  process.once('SIGTERM', ended).once('SIGINT', ended).once('SIGHUP', ended)
  const reading = again(stop.signal, async () => {
    events.length = 0
    await keepEvents(operator, stop.signal, (event) => {
      events.push(event)
      if (events.length > MOST_EVENTS) events.shift()
    })
  })
  try {
    while (!stop.signal.aborted) {
      try {
        for await (const next of framesOf(operator, stop.signal)) {
          frame = next
          lostSince = undefined
          draw()
        }
      } catch (error) {
        if (frame === undefined) throw error
      }
      lostSince ??= Date.now()
      draw()
      await sleep(RETRY_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
  } catch (error) {
    failure = error
  } finally {
    stop.abort()
    terminal.restore()
    process.stdout.off('resize', resized)
    process.off('SIGTERM', ended).off('SIGINT', ended).off('SIGHUP', ended)
  }
  await reading
  if (failure !== undefined) throw failure
}

async function keepEvents(
  operator: URL,
  signal: AbortSignal,
  keep: (event: EventView) => void,
): Promise<void> {
  for await (const event of eventsOf(operator, signal)) keep(event)
}

/** One attempt after another until `signal`; the loop of frames tells what is wrong. */
async function again(signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await act().catch(() => {})
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
  }
}

function neighbour(tab: Tab, step: 1 | -1): Tab {
  return TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]!
}

/** https://no-color.org: any value but an empty one. */
function hasColours(): boolean {
  return (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}
