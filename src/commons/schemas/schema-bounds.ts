/**
 * Whether a JSON Schema that an agent brings is safe to run in this process. Validation is on the main thread, so its
 * work has to be bounded by the sizes of schema and message alone:
 *
 * - no regular expressions: `^(a+)+$` on 28 characters blocks V8 for 14 s;
 * - `$ref` points into the same schema and never in a circle, and all that it stands for, written out, stays below
 *   a bound (`allOf: [b, b]`, b: `allOf: [c, c]`, ... doubles the work with each line);
 * - `uniqueItems` compares every two items: only of short lists;
 * - nothing is fetched: no foreign `$ref`, `$id` or `$schema` but the draft of 2020-12.
 */
import { isObject, type Json, type JsonObject } from '../json.ts'
import type { Fault } from '../refused.ts'

const LARGEST_WRITTEN_OUT = 10_000
const LONGEST_UNIQUE = 256
const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

const REFUSED_KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['pattern', 'enum, const, minLength and maxLength: a regular expression can stop this process'],
  ['patternProperties', 'properties and additionalProperties: a regular expression can stop this process'],
  ['$dynamicRef', '$ref to a place of this schema, #/$defs/...'],
  ['$dynamicAnchor', '$defs'],
  ['$recursiveRef', '$ref to a place of this schema, #/$defs/...'],
  ['$recursiveAnchor', '$defs'],
  ['$anchor', '$defs'],
  ['$id', 'no id of its own: a schema is known by what it is registered for'],
  ['id', 'no id of its own: a schema is known by what it is registered for'],
  ['$async', 'a schema without $async'],
])
/** Their values are data, or maps whose keys are not keywords. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'required'])
const MAP_KEYWORDS: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'dependentSchemas'])

/** Undefined = it is safe. */
export function schemaFault(schema: Json): Fault | undefined {
  if (typeof schema === 'boolean') return undefined
  if (!isObject(schema)) return { where: '', found: 'no schema', allowed: 'an object, true or false' }
  if (schema['$schema'] !== undefined && schema['$schema'] !== DRAFT) {
    return { where: '/$schema', found: 'another draft', allowed: DRAFT }
  }
  return keywordFault(schema, '', true) ?? sizeFault(schema)
}

function keywordFault(value: Json, where: string, isSchema: boolean): Fault | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const fault = keywordFault(item, `${where}/${index}`, isSchema)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  if (!isObject(value)) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const place = `${where}/${key}`
    if (isSchema) {
      const allowed = REFUSED_KEYWORDS.get(key)
      if (allowed !== undefined) return { where: place, found: key, allowed }
      if (key === '$ref' && !(typeof inner === 'string' && (inner === '#' || inner.startsWith('#/')))) {
        return { where: place, found: 'a foreign $ref', allowed: 'a place of this schema, #/$defs/...' }
      }
      if (key === 'uniqueItems' && inner === true && !isShort(value)) {
        return {
          where: place,
          found: 'uniqueItems of long lists',
          allowed: `maxItems up to ${LONGEST_UNIQUE} beside it`,
        }
      }
      if (DATA_KEYWORDS.has(key)) continue
    }
    const fault = keywordFault(inner, place, !(isSchema && MAP_KEYWORDS.has(key)))
    if (fault !== undefined) return fault
  }
  return undefined
}

function isShort({ maxItems }: JsonObject): boolean {
  return typeof maxItems === 'number' && maxItems <= LONGEST_UNIQUE
}

function sizeFault(root: JsonObject): Fault | undefined {
  const known = new Map<object, number>()
  const open = new Set<object>()

  /** Nodes of a subschema with every reference written out; Infinity = a circle, or more than is allowed. */
  function size(value: Json, isSchema: boolean): number {
    if (typeof value !== 'object' || value === null) return 0
    const before = known.get(value)
    if (before !== undefined) return before
    if (open.has(value)) return Infinity
    open.add(value)
    let sum = 1
    const isKeywords = isSchema && !Array.isArray(value)
    for (const [key, inner] of Object.entries<Json>(value)) {
      if (isKeywords && key === '$ref' && typeof inner === 'string') {
        sum += size(placeIn(root, inner) ?? null, true)
      } else if (!isKeywords || !(DATA_KEYWORDS.has(key) || key === '$defs' || key === 'definitions')) {
        sum += size(inner, !(isKeywords && MAP_KEYWORDS.has(key)))
      }
    }
    open.delete(value)
    known.set(value, sum)
    return sum
  }

  if (size(root, true) <= LARGEST_WRITTEN_OUT) return undefined
  return {
    where: '/$ref',
    found: 'references in a circle, or that stand for too much',
    allowed: `at most ${LARGEST_WRITTEN_OUT} subschemas, every $ref written out`,
  }
}

function placeIn(root: Json, reference: string): Json | undefined {
  let at: Json | undefined = root
  for (const raw of reference.split('/').slice(1)) {
    const name = decoded(raw).replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = (at as readonly Json[])[Number(name)]
    else if (isObject(at) && Object.hasOwn(at, name)) at = at[name]
    else return undefined
  }
  return at
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
