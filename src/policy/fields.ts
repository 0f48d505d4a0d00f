/** The kinds of values that files hold. Each says what it allows once: for problems, for editors, for the reference. */
import { z } from 'zod'
import type { Millis } from '../core/model.ts'
import { formatDuration, formatSize, parseDuration, parsePercent, parseRate, parseSize } from './units.ts'
import type { PatternFault } from './pattern.ts'

/** Notes that travel with a schema: read by `document.ts` and `reference.ts`. */
declare module 'zod' {
  interface GlobalMeta {
    /** What may stand here, as a phrase. */
    allowed?: string
    /** JSON Schema of the written form, where zod cannot know it. */
    json?: Record<string, unknown>
    /** The default in written form (zod drops `default` of values that are transformed). */
    preset?: unknown
  }
}

export interface Scalar<T> {
  /** Undefined = not understood. */
  readonly read: (value: unknown) => T | undefined
  readonly allowed: string
  readonly json: Record<string, unknown>
  /** A value that is allowed, as one would write it. */
  readonly example?: string
  /** Secret, or may hold one: problems do not show what was found. */
  readonly hidden?: boolean
}

/** A length of time in ms, written `30s`. */
export function duration(least: string, most: string): z.ZodType<Millis> {
  const [min, max] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0]
  return scalar({
    read: (value) => within(typeof value === 'string' ? parseDuration(value) : undefined, min, max),
    allowed: `a duration from ${formatDuration(min)} to ${formatDuration(max)}`,
    example: formatDuration(Math.min(max, Math.max(min, 30_000))),
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]{1,3})?(ms|s|m|h)$' },
  })
}

/** Bytes, written `1MiB`. */
export function size(least: string, most: string): z.ZodType<number> {
  const [min, max] = [parseSize(least) ?? 0, parseSize(most) ?? 0]
  return scalar({
    read: (value) => within(typeof value === 'string' ? parseSize(value) : undefined, min, max),
    allowed: `a size from ${formatSize(min)} to ${formatSize(max)}`,
    example: formatSize(Math.min(max, Math.max(min, 1024 ** 2))),
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]{1,3})?(B|KiB|MiB|GiB)$' },
  })
}

/** Calls per second, written `10/s`. */
export function rate(): z.ZodType<number> {
  return scalar({
    read: (value) => within(typeof value === 'string' ? parseRate(value) : undefined, 1 / 3600, 1e6),
    allowed: 'a rate from 1/h to 1000000/s',
    example: '10/s or 600/min',
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]{1,3})?/(s|min|h)$' },
  })
}

/** A part of a whole in 0..1, written `0.2` or `20%`. */
export function share(min: number, max: number): z.ZodType<number> {
  return scalar({
    read: (value) => within(typeof value === 'string' ? parsePercent(value) : number(value), min, max),
    allowed: `a share from ${min} to ${max}`,
    example: `${Math.max(min, 0.2)} or ${Math.max(min, 0.2) * 100}%`,
    json: {
      anyOf: [
        { type: 'number', minimum: min, maximum: max },
        { type: 'string', pattern: '^[0-9]+(\\.[0-9]{1,3})?%$' },
      ],
    },
  })
}

export function amount(min: number, max: number): z.ZodType<number> {
  return scalar({
    read: (value) => within(number(value), min, max),
    allowed: `a number from ${min} to ${max}`,
    json: { type: 'number', minimum: min, maximum: max },
  })
}

export function whole(min: number, max: number): z.ZodType<number> {
  return scalar({
    read: (value) => within(Number.isInteger(value) ? number(value) : undefined, min, max),
    allowed: `a whole number from ${min} to ${max}`,
    json: { type: 'integer', minimum: min, maximum: max },
  })
}

export function flag(): z.ZodType<boolean> {
  return scalar({
    read: (value) => (typeof value === 'boolean' ? value : undefined),
    allowed: 'true or false',
    json: { type: 'boolean' },
  })
}

export function text(longest: number, what = 'text', pattern?: RegExp): z.ZodType<string> {
  return scalar({
    read: (value) => {
      if (typeof value !== 'string' || value === '' || value.length > longest) return undefined
      return pattern === undefined || pattern.test(value) ? value : undefined
    },
    allowed: what === 'text' ? `one line of at most ${longest} characters` : what,
    json: {
      type: 'string',
      minLength: 1,
      maxLength: longest,
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
    },
  })
}

export function choice<const T extends string>(names: readonly T[]): z.ZodType<T> {
  return scalar({
    read: (value) => names.find((name) => name === value),
    allowed: names.join(', '),
    json: { enum: [...names] },
  })
}

/** A glob; `fault` says what is wrong with one, and the problem then says so instead of "found". */
export function glob(allowed: string, fault: (text: string) => PatternFault | undefined): z.ZodType<string> {
  return z
    .unknown()
    .transform((value, context) => {
      const written = typeof value === 'string' ? value : undefined
      const wrong =
        written === undefined ? { what: 'is not text', fix: 'write a name or a pattern' } : fault(written)
      if (written !== undefined && wrong === undefined) return written
      context.addIssue({ code: 'custom', message: wrong?.what ?? '', params: { allowed, fix: wrong?.fix } })
      return z.NEVER
    })
    .meta({ allowed, json: { type: 'string' } })
}

/** One value or a list of 1 to 64; always a list afterwards. */
export function oneOrMore<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  // Branches keep their own transform: a single value becomes a list of one.
  return z.union([z.array(item).min(1).max(64), item.transform((value): readonly T[] => [value])])
}

/** An optional key with its default in written form and a sentence for people. */
export function setting<T>(
  kind: z.ZodType<T>,
  fallback: unknown,
  sentence: string,
): z.ZodOptional<z.ZodType<T>> {
  return kind.optional().meta({ ...kind.meta(), description: sentence, preset: fallback })
}

/** The same, with its default put in place where the key is absent. */
export function preset<T>(
  kind: z.ZodType<T>,
  fallback: unknown,
  sentence: string,
): z.ZodPrefault<z.ZodType<T>> {
  const described = kind.meta({ ...kind.meta(), description: sentence, preset: fallback })
  return z.prefault(described, fallback).meta({ ...described.meta() })
}

/** An optional key without a default: absent means absent. */
export function option<T>(kind: z.ZodType<T>, sentence: string): z.ZodOptional<z.ZodType<T>> {
  return kind.optional().meta({ ...kind.meta(), description: sentence })
}

/** A required key. */
export function needed<T>(kind: z.ZodType<T>, sentence: string): z.ZodType<T> {
  return kind.meta({ ...kind.meta(), description: sentence })
}

/** A value of a file by its own rule. */
export function scalar<T>(kind: Scalar<T>): z.ZodType<T> {
  return z
    .unknown()
    .transform((value, context) => {
      const result = kind.read(value)
      if (result !== undefined) return result
      context.addIssue({
        code: 'custom',
        message: 'value',
        params: { allowed: kind.allowed, example: kind.example, hidden: kind.hidden },
      })
      return z.NEVER
    })
    .meta({ allowed: kind.allowed, json: kind.json })
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined
}
