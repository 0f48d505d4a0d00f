/** Looking into a schema: what lies under its wrappers, and which keys it knows. */
import { z } from 'zod'

/** The schema without what says "optional" or "by default"; of a short and a long form, the long one. */
export function bare(schema: z.core.$ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault) return bare(schema.unwrap())
  if (schema instanceof z.ZodPipe && !(schema.in instanceof z.ZodUnknown)) return bare(schema.in)
  if (schema instanceof z.ZodUnion) {
    const long = schema.options.map(bareOption).find((option) => option instanceof z.ZodObject)
    return long ?? schema
  }
  return known(schema)
}

export function mapOf(schema: z.core.$ZodType): z.ZodObject | undefined {
  const kind = bare(schema)
  return kind instanceof z.ZodObject ? kind : undefined
}

/** The map that a list, names, or an optional key holds in the end, and how its path goes on. */
export function itemOf(schema: z.core.$ZodType): { readonly kind: z.ZodType; readonly suffix: string } {
  const kind = bare(schema)
  if (kind instanceof z.ZodArray) return { kind: bare(kind.element), suffix: '[]' }
  if (kind instanceof z.ZodRecord) return { kind: bare(kind.valueType), suffix: '.NAME' }
  return { kind, suffix: '' }
}

/** The schema of what stands under `step`. */
export function childOf(schema: z.core.$ZodType, step: string | number): z.ZodType | undefined {
  const kind = bare(schema)
  if (kind instanceof z.ZodObject) {
    const child: unknown = Object.hasOwn(kind.shape, step) ? kind.shape[step] : undefined
    return child instanceof z.ZodType ? child : undefined
  }
  if (kind instanceof z.ZodArray) return known(kind.element)
  return kind instanceof z.ZodRecord ? known(kind.valueType) : undefined
}

/** A schema as the full class that it is; the library types parts of schemas as its smaller core. */
export function known(schema: unknown): z.ZodType {
  if (schema instanceof z.ZodType) return schema
  throw new TypeError('a schema of zod/mini: only full schemas are used here')
}

function bareOption(option: z.core.$ZodType): z.ZodType {
  return option instanceof z.ZodUnion ? known(option) : bare(option)
}
