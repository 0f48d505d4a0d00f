/** The demo on a terminal: one live line per arm while it plays, and the two side by side at the end. */
import type { ArmResult, Progress, StoryTimes } from './story.ts'

const PHASE_TEXT = {
  healthy: 'healthy',
  trouble: 'upstreams degrade',
  after: 'upstreams are well again',
} as const

export interface LiveTable {
  show(progress: Progress): void
  /** Ends the live line of an arm. */
  done(): void
}

/** Redraws in place on a terminal; elsewhere one line per two seconds, so that logs stay readable. */
export function liveTable(out: NodeJS.WriteStream, times: StoryTimes): LiveTable {
  const total = (times.healthyMs + times.troubleMs + times.afterMs) / 1000
  let shown = -1
  const line = ({ arm, phase, elapsedMs, result }: Progress): string => {
    const at = `${(elapsedMs / 1000).toFixed(0).padStart(3)}/${total.toFixed(0)} s`
    const held =
      arm === 'weir'
        ? `  held ${String(result.held).padStart(4)}  slots ${String(result.slotted).padStart(4)}`
        : ''
    const attempts = phase === 'healthy' ? '   -' : result.attemptsPerCall.toFixed(2)
    return (
      `${arm.padEnd(6)} ${at}  ${PHASE_TEXT[phase].padEnd(25)} calls ${String(result.calls).padStart(5)}` +
      `  attempts/call ${attempts}  failed ${String(result.failed).padStart(4)}${held}`
    )
  }
  return {
    show(progress) {
      if (out.isTTY) {
        out.write(`\r\u001B[2K${line(progress).slice(0, (out.columns || 120) - 1)}`)
        return
      }
      const second = Math.floor(progress.elapsedMs / 2000)
      if (second !== shown) out.write(`${line(progress)}\n`)
      shown = second
    },
    done() {
      shown = -1
      if (out.isTTY) out.write('\n')
    },
  }
}

const ROWS: readonly (readonly [string, (result: ArmResult) => string])[] = [
  ['calls the agents made', (result) => String(result.calls)],
  ['upstream attempts per call, degraded', (result) => result.attemptsPerCall.toFixed(2)],
  ['calls lost (error after all retries)', (result) => String(result.failed)],
  ['critical calls lost', (result) => String(result.criticalFailed)],
  ['p99 of critical calls, degraded', (result) => seconds(result.criticalP99Ms)],
  ['p99 of critical calls, healthy', (result) => seconds(result.healthyCriticalP99Ms)],
  ['seconds to recover', (result) => result.recoverSeconds.toFixed(1)],
  ['calls held', (result) => (result.arm === 'weir' ? String(result.held) : '-')],
  ['calls given a slot of their own', (result) => (result.arm === 'weir' ? String(result.slotted) : '-')],
]

export function comparison(direct: ArmResult, weir: ArmResult): string {
  const lines = ROWS.map(
    ([name, cell]) => `  ${name.padEnd(40)}${cell(direct).padStart(10)}${cell(weir).padStart(12)}`,
  )
  const head = `  ${''.padEnd(40)}${'direct'.padStart(10)}${'with Weir'.padStart(12)}`
  return `${[head, `  ${'-'.repeat(62)}`, ...lines].join('\n')}\n`
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(2)} s`
}
