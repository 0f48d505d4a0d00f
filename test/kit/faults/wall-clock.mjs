/**
 * Loaded before a process: its wall clock is ahead by the number of ms in the file that WALL_SHIFT_FILE names, read
 * again on SIGUSR2. Timers and `performance.now` go on as they were, as on a machine whose clock is set.
 */
import { readFileSync } from 'node:fs'

const RealDate = Date
let shiftMs = 0

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + shiftMs)
    else super(...given)
  }

  static now() {
    return RealDate.now() + shiftMs
  }
}

process.on('SIGUSR2', () => {
  shiftMs = Number(readFileSync(process.env.WALL_SHIFT_FILE, 'utf8'))
})
