/**
 * One row per operation: where it is, what it takes, what it answers. The face serves the rows, OpenAPI is written
 * from them, so neither can know a route that the other does not.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { Caller } from '../caller.ts'
import type { Commons } from '../commons.ts'
import type { EventStream } from './event-stream.ts'

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON; absent = no body. */
  readonly body?: unknown
}

export interface Asked<P, Q, B> {
  readonly caller: Caller
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly headers: IncomingHttpHeaders
  /** The body as it came. */
  readonly bytes: Buffer
  readonly commons: Commons
  /** Says that the client is gone, or that Weir is going. */
  readonly signal: AbortSignal
  /** Takes one of the places of those who wait; the face gives it back. @throws Refused `too-many` */
  wait(): void
  /** Answers as a stream of server-sent events, and takes a place. */
  stream(): EventStream
}

export interface AnswerNote {
  readonly description: string
  readonly schema?: z.ZodType
  /** Media type other than JSON. */
  readonly type?: string
}

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** `{name}` is one segment, `{name*}` the rest. */
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly tag: string
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** Media types of a body that the route reads itself. */
  readonly raw?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  readonly answers: Readonly<Record<number, AnswerNote>>
  /** Undefined = it has answered by a stream. */
  run(asked: Asked<unknown, unknown, unknown>): Promise<Answer | undefined>
}

type Shape<S> = S extends z.ZodType ? z.output<S> : undefined

interface Defined<P, Q, B> extends Omit<Route, 'run' | 'params' | 'query' | 'body'> {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  run(asked: Asked<Shape<P>, Shape<Q>, Shape<B>>): Promise<Answer | undefined>
}

/** Ties the types of a row's schemas to those of its handler. */
export function route<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(row: Defined<P, Q, B>): Route {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the face parses by the row's own schemas
  return row as unknown as Route
}

/** The segments of a path that fits; undefined = it does not. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const found = path.split('/')
  const params: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    if (part.endsWith('*}')) {
      const rest = found.slice(index).join('/')
      if (rest === '') return undefined
      params[part.slice(1, -2)] = rest
      return params
    }
    const segment = found[index]
    if (segment === undefined) return undefined
    if (part.startsWith('{')) {
      if (segment === '') return undefined
      params[part.slice(1, -1)] = segment
    } else if (part !== segment) return undefined
  }
  return found.length === wanted.length ? params : undefined
}
