/** What is made from the schemas: JSON Schema for editors, and the reference page for people. */
import { z } from 'zod'
import { bare, itemOf, known, mapOf } from './shape.ts'

type JsonSchema = Record<string, unknown>

/** JSON Schema (draft 2020-12) of the written form of `schema`. */
export function jsonSchemaOf(schema: z.ZodType, title: string): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const { allowed: _, json, preset, ...rest } = jsonSchema
      for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key)
      Object.assign(jsonSchema, json, rest, preset === undefined ? {} : { default: preset })
    },
  })
  return { $schema: made.$schema, title, ...made }
}

/** A Markdown section per map of keys: key, what may stand there, default, sentence. */
export function referenceOf(schema: z.ZodType, root: string): string {
  return sections(schema, root, 2).join('\n')
}

function sections(schema: z.ZodType, name: string, level: number): string[] {
  const map = mapOf(schema)
  if (map === undefined) return []
  const lines = [`${'#'.repeat(Math.min(level, 4))} \`${name}\``, '']
  const sentence = schema.meta()?.description
  if (sentence !== undefined) lines.push(sentence, '')
  lines.push('| key | allowed | default | meaning |', '|---|---|---|---|')
  const inner: string[] = []
  for (const [key, part] of Object.entries(map.shape)) {
    const kind = known(part)
    const { kind: child, suffix } = itemOf(kind)
    const nested = mapOf(child)
    const allowed =
      nested === undefined
        ? allowedText(kind)
        : suffix === ''
          ? 'a map, see below'
          : `${suffixText(suffix)}, see below`
    lines.push(
      `| \`${key}\` | ${cell(allowed)} | ${cell(presetText(kind))} | ${cell(kind.meta()?.description ?? '')} |`,
    )
    if (nested !== undefined)
      inner.push(
        '',
        ...sections(
          withSentence(child, kind),
          `${name === 'file' ? '' : `${name}.`}${key}${suffix}`,
          level + 1,
        ),
      )
  }
  return [...lines, ...inner]
}

function withSentence(child: z.ZodType, kind: z.ZodType): z.ZodType {
  const description = kind.meta()?.description
  return description === undefined ? child : child.meta({ description })
}

function allowedText(schema: z.core.$ZodType): string {
  const own = known(schema).meta()?.allowed
  if (own !== undefined) return own
  const kind = bare(schema)
  if (kind instanceof z.ZodLiteral) return [...kind.values].map(String).join(', ')
  if (kind instanceof z.ZodArray) return `a list of: ${allowedText(kind.element)}`
  if (kind instanceof z.ZodRecord) return `by name: ${allowedText(kind.valueType)}`
  if (kind instanceof z.ZodUnion) {
    const single = kind.options.find((option) => !(option instanceof z.ZodArray))
    return single === undefined ? '' : `one or a list of: ${allowedText(single)}`
  }
  return kind.meta()?.allowed ?? ''
}

function presetText(schema: z.ZodType): string {
  const preset = schema.meta()?.preset
  if (preset !== undefined) return `\`${typeof preset === 'string' ? preset : JSON.stringify(preset)}\``
  return schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault ? '' : 'required'
}

function suffixText(suffix: string): string {
  return suffix === '[]' ? 'a list of maps' : 'maps by name'
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
