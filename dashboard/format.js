/** Figures as people read them. One unit per size, the same number of digits, so that columns line up. */

const NONE = '–'

/** @param {number | null | undefined} ms 0 = no sample */
export function latency(ms) {
  if (ms === null || ms === undefined || ms === 0) return NONE
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`
}

/** How long something lasts. @param {number | null | undefined} ms */
export function span(ms) {
  if (ms === null || ms === undefined) return NONE
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

/** @param {number | null | undefined} value */
export function count(value) {
  return value === null || value === undefined ? NONE : whole.format(value)
}

/** With a tenth while it tells something. @param {number | null | undefined} value */
export function limit(value) {
  if (value === null || value === undefined) return 'none'
  return value < 10 && !Number.isInteger(value) ? tenth.format(value) : whole.format(value)
}

/** @param {number | null | undefined} value */
export function decimal(value) {
  if (value === null || value === undefined) return NONE
  return value >= 1000 ? whole.format(value) : tenth.format(value)
}

/** @param {number} ratio 0 to 1 */
export function percent(ratio) {
  return ratio > 0 && ratio < 0.095 ? `${(ratio * 100).toFixed(1)} %` : `${Math.round(ratio * 100)} %`
}

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** Time of day here. @param {number | Date} at */
export function timeOfDay(at) {
  return clock.format(at)
}
