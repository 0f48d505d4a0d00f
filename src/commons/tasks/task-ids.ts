/** Ids that sort as they were made, within one process, so that tasks of one millisecond keep their order. */
import { randomBytes } from 'node:crypto'
import type { Millis } from '../../core/model.ts'

export class TaskIds {
  #at: Millis = 0
  #count = 0

  next(now: Millis): string {
    const at = Math.max(this.#at, Math.floor(now))
    this.#count = at === this.#at ? this.#count + 1 : 0
    this.#at = at
    return `t${digits(at, 9)}${digits(this.#count, 4)}${randomBytes(6).toString('hex')}`
  }
}

function digits(value: number, length: number): string {
  return value.toString(36).padStart(length, '0')
}
