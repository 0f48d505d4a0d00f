/** Numbers and times as people read them. All times of day are UTC. */
import type { Millis } from '../../core/model.ts'

/** 12,345; below 10 with one digit after the point when there is one. */
export function sayCount(value: number): string {
  const whole = Math.abs(value) < 10 ? Math.round(value * 10) / 10 : Math.round(value)
  return whole.toLocaleString('en-US', { maximumFractionDigits: 1 })
}

/** `1 call`, `2 calls`. */
export function sayMany(value: number, noun: string, nouns = `${noun}s`): string {
  const text = sayCount(value)
  return `${text} ${text === '1' ? noun : nouns}`
}

/** A share of 0 to 1 as 0.4 %, 12 %. */
export function sayShare(share: number): string {
  const percent = share * 100
  if (percent > 0 && percent < 0.1) return '<0.1 %'
  return `${percent < 10 && percent > 0 ? Math.round(percent * 10) / 10 : Math.round(percent)} %`
}

/** A ratio of 1.0 and more, as 1.08, 2.4, 31. */
export function sayRatio(ratio: number): string {
  return ratio < 2 ? ratio.toFixed(2) : ratio < 10 ? ratio.toFixed(1) : String(Math.round(ratio))
}

/** 850 ms, 2.4 s, 36 s, 4 min 12 s, 2 h 5 min, 3 d 4 h. */
export function saySpan(ms: Millis): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 9950) return `${Math.round(ms / 100) / 10} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return two(seconds, 60, 'min', 's')
  if (seconds < 172_800) return two(Math.round(seconds / 60), 60, 'h', 'min')
  return two(Math.round(seconds / 3600), 24, 'd', 'h')
}

/** A response time on an axis or in a table: 85 ms, 1.2 s, 30 s. */
export function sayLatency(ms: Millis): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 9950 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 1000)} s`
}

/** IEC 80000-13, as policies have it. */
export function sayBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** An amount in the unit of the price. */
export function sayMoney(amount: number, currency: string): string {
  return currency + amount.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}

/** A price per call may be far below a cent: all of its digits. */
export function sayPrice(price: number, currency: string): string {
  return currency + price.toLocaleString('en-US', { maximumFractionDigits: 8 })
}

/** 14:03:21; with tenths where seconds are too coarse. */
export function sayClock(at: Millis, isFine = false): string {
  const text = new Date(at).toISOString()
  return text.slice(11, isFine ? 21 : 19)
}

/** 12 March 2026. */
export function sayDay(at: Millis): string {
  return new Date(at).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  })
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function sayList(names: readonly string[], most = 4): string {
  if (names.length <= 1) return names.join('')
  if (names.length > most) return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function two(value: number, base: number, large: string, small: string): string {
  const rest = value % base
  return `${Math.floor(value / base)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`
}
