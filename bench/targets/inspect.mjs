/**
 * Loaded into a target by `node --expose-gc --import`: on SIGUSR2 it writes its memory and the delays of its event loop
 * since the last signal to the file INSPECT_FILE. `gc` in INSPECT_MODE collects garbage first.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Of the monitor: a delay is what goes beyond it. */
const RESOLUTION_MS = 1
const { INSPECT_FILE, INSPECT_MODE } = process.env
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()

const late = (nanos) => Math.max(0, nanos / 1e6 - RESOLUTION_MS)

process.on('SIGUSR2', () => {
  const loop = { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) }
  if (INSPECT_MODE === 'gc') for (let time = 0; time < 3; time++) globalThis.gc?.()
  writeFileSync(`${INSPECT_FILE}.new`, JSON.stringify({ loop, memory: process.memoryUsage() }))
  renameSync(`${INSPECT_FILE}.new`, INSPECT_FILE)
  delay.reset()
})
