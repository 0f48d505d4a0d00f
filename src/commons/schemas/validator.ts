/** One JSON Schema (2020-12), compiled once by Ajv: fits, or says where not. `format` is a note, as the draft has it. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Json } from '../json.ts'
import { type Fault, Refused } from '../refused.ts'
import { schemaFault } from './schema-bounds.ts'

/** Text of a schema; far more than people write. */
export const LARGEST_SCHEMA = 64 * 1024
/** Compiled schemas that are kept; a compiled one costs tens of kilobytes. */
const KEPT = 512

/** The first thing that does not fit; undefined = it fits. */
export type Validate = (value: Json) => Fault | undefined

/** Compiles, and remembers by the text of the schema. */
export class Validators {
  readonly #kept = new Map<string, Validate>()

  /** @throws Refused `contract` when the schema is not one that may be used */
  of(schema: Json): Validate {
    const text = JSON.stringify(schema)
    const known = this.#kept.get(text)
    if (known !== undefined) {
      // Used last, forgotten last.
      this.#kept.delete(text)
      this.#kept.set(text, known)
      return known
    }
    const made = compile(schema, text)
    this.#kept.set(text, made)
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '')
    return made
  }
}

function compile(schema: Json, text: string): Validate {
  if (text.length > LARGEST_SCHEMA) {
    throw new Refused('too-large', `the schema has ${text.length} characters; at most ${LARGEST_SCHEMA}`)
  }
  const fault = schemaFault(schema)
  if (fault !== undefined) {
    throw new Refused('contract', `the schema cannot be used: ${fault.found} at ${fault.where || '/'}`, [
      fault,
    ])
  }
  let run: ValidateFunction
  try {
    // An instance of its own: what one agent registers can be seen by no other schema.
    const ajv = new Ajv2020({
      strictTypes: false,
      strictTuples: false,
      validateFormats: false,
      logger: false,
    })
    // What is neither is refused above.
    run = ajv.compile(typeof schema === 'boolean' ? schema : Object(schema))
  } catch (error) {
    const found = error instanceof Error ? error.message.slice(0, 300) : 'not compiled'
    throw new Refused('contract', `the schema cannot be used: ${found}`, [
      { where: '', found, allowed: 'a valid JSON Schema of draft 2020-12' },
    ])
  }
  return (value) => (run(value) ? undefined : shown(run.errors?.[0]))
}

function shown(error: ErrorObject | undefined): Fault {
  if (error === undefined) return { where: '', found: 'does not fit', allowed: 'what the schema says' }
  const params = JSON.stringify(error.params).slice(0, 300)
  return {
    where: error.instancePath === '' ? '/' : error.instancePath,
    found: `${error.keyword}: ${error.message ?? 'does not fit'}`,
    allowed: `${error.schemaPath} ${params}`,
  }
}
