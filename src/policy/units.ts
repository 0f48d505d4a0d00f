/**
 * Quantities as people write them: `30s`, `600/min`, `256MiB`, `20%`. Every parser answers undefined for what it
 * does not understand, so that the caller can say where it stands and what is allowed there.
 */
import type { Millis } from '../core/model.ts'

/** Longer texts are no quantity; the patterns below never see them. */
const LONGEST = 32

const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/
const RATE = /^(\d{1,9}(?:\.\d{1,3})?)\/(s|min|h)$/
const SIZE = /^(\d{1,9}(?:\.\d{1,3})?)(B|KiB|MiB|GiB)$/
const PERCENT = /^(\d{1,5}(?:\.\d{1,3})?)%$/

const MS_PER = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const PER_SECOND = { s: 1, min: 1 / 60, h: 1 / 3600 }
const BYTES_PER = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** `500ms`, `30s`, `1.5m`, `2h` in ms. */
export function parseDuration(text: string): Millis | undefined {
  return scaled(DURATION, text, MS_PER)
}

/** `10/s`, `600/min`, `100/h` in calls per second. */
export function parseRate(text: string): number | undefined {
  return scaled(RATE, text, PER_SECOND)
}

/** `512B`, `64KiB`, `1MiB`, `2GiB` in bytes (IEC 80000-13: powers of 1024). */
export function parseSize(text: string): number | undefined {
  const bytes = scaled(SIZE, text, BYTES_PER)
  return bytes === undefined ? undefined : Math.round(bytes)
}

/** `20%` as 0.2. */
export function parsePercent(text: string): number | undefined {
  const parts = text.length > LONGEST ? null : PERCENT.exec(text)
  return parts === null ? undefined : Number(parts[1]) / 100
}

/** The shortest exact way to write a duration. */
export function formatDuration(ms: Millis): string {
  if (ms === 0) return '0s'
  for (const unit of ['h', 'm', 's'] as const)
    if (ms % MS_PER[unit] === 0) return `${ms / MS_PER[unit]}${unit}`
  return ms > 1000 ? `${ms / 1000}s` : `${ms}ms`
}

/** The shortest exact way to write a size. */
export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
    if (bytes > 0 && bytes % BYTES_PER[unit] === 0) return `${bytes / BYTES_PER[unit]}${unit}`
  }
  return `${bytes}B`
}

/** Calls per second, in the largest unit that needs no long fraction. */
export function formatRate(perSecond: number): string {
  for (const [unit, share] of Object.entries(PER_SECOND)) {
    const amount = Math.round((perSecond / share) * 1000) / 1000
    if (amount >= 1 || unit === 'h') return `${amount}/${unit}`
  }
  return `${perSecond}/s`
}

function scaled(pattern: RegExp, text: string, units: Readonly<Record<string, number>>): number | undefined {
  const parts = split(pattern, text)
  const factor = parts === undefined ? undefined : units[parts.unit]
  return parts === undefined || factor === undefined ? undefined : parts.amount * factor
}

function split(pattern: RegExp, text: string): { amount: number; unit: string } | undefined {
  const parts = text.length > LONGEST ? null : pattern.exec(text)
  return parts === null ? undefined : { amount: Number(parts[1]), unit: parts[2] ?? '' }
}
