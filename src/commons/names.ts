/** What may be a name: safe in a path, a header, a log line and a key of any store. */
import { z } from 'zod'
import type { Json } from './json.ts'

/** As names of agents everywhere in Weir. */
export const agentName = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/)
  .meta({ description: 'Name of an agent: 1 to 128 of A-Z a-z 0-9 . _ : -', id: 'AgentName' })

export const shortName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/)
  .meta({ description: '1 to 128 of A-Z a-z 0-9 . _ : -, first a letter or a digit', id: 'Name' })

/** Id of a task that somebody chooses. Those of follow-ups are longer: each level adds to the one before. */
export const chosenTaskId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/)
  .meta({ description: '1 to 64 of A-Z a-z 0-9 . _ : -, first a letter or a digit' })

export const taskId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,511}$/)
  .meta({ description: 'Id of a task', id: 'TaskId' })

/** Type of an event: `org.example.report.ready`. */
export const eventType = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/:-]{0,255}$/)
  .meta({ description: '1 to 256 of A-Z a-z 0-9 . _ / : -', id: 'EventType' })

/** Key of a document: names with `/` between them. */
export const stateKey = z
  .string()
  .regex(/^(?=.{1,256}$)[A-Za-z0-9._:-]+(\/[A-Za-z0-9._:-]+)*$/)
  .meta({
    description: 'Names of A-Z a-z 0-9 . _ : - with / between them, at most 256 characters',
    id: 'StateKey',
  })

/** Beginning of keys; may end within a name or with a `/`. '' = all. */
export const statePrefix = z
  .string()
  .regex(/^[A-Za-z0-9._:/-]{0,256}$/)
  .meta({ description: 'Beginning of keys, at most 256 characters' })

/** What was read by `parseJson` is JSON: there is nothing left to check. */
export const anyJson = z.custom<Json>()
