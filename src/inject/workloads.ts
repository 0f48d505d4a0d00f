/** The pods of a text of Kubernetes manifests, in whatever stands around them: Deployment, CronJob, List and the like. */
import { isAlias, isMap, isSeq, parseAllDocuments, type YAMLMap } from 'yaml'
import { placeOf } from './splice.ts'

/** Something that makes pods, with the places where they are described. */
export interface Workload {
  /** For messages: `Deployment/agent`. */
  readonly title: string
  readonly at: number
  /** The object itself. */
  readonly root: YAMLMap
  /** Holds `metadata` and `spec` of the pods. */
  readonly template: YAMLMap
  readonly spec: YAMLMap
}

/** One thing that cannot be done, with its place. */
export interface InjectProblem {
  /** Offset in the text. */
  readonly at: number
  readonly subject: string
  readonly message: string
}

/** What cannot be done; nothing was changed. `message` has one line for each problem. */
export class InjectError extends Error {
  override readonly name = 'InjectError'

  constructor(file: string, text: string, problems: readonly InjectProblem[]) {
    const lines = problems.map(({ at, subject, message }) => {
      const { line, column } = placeOf(text, at)
      return `${file}:${line}:${column}: ${subject === '' ? '' : `${subject}: `}${message}`
    })
    super(lines.join('\n'))
  }
}

/** On a pod, or on what makes it: `enabled` asks for the sidecar, `disabled` refuses it whatever else is said. */
export const INJECT_KEY = 'weir-proxy.io/inject'

/** Where pods are in each kind, from the root. */
const POD_PATHS: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ['template'],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
}

/**
 * Every workload of the text. A labelled object of a kind that is not known is a problem; others are left alone.
 *
 * @throws InjectError when the text is not YAML or JSON
 */
export function workloadsIn(file: string, text: string, problems: InjectProblem[]): Workload[] {
  const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'error' })
  if (!Array.isArray(documents)) return []
  const broken = documents.flatMap((document) => document.errors)
  if (broken.length > 0) {
    const told = broken.map((error) => ({ at: error.pos[0], subject: '', message: error.message }))
    throw new InjectError(file, text, told)
  }
  return documents.flatMap((document) =>
    isMap(document.contents) ? workloadsOf(document.contents, problems) : [],
  )
}

function workloadsOf(root: YAMLMap, problems: InjectProblem[]): Workload[] {
  const kind = wordAt(root, ['kind'])
  const items = root.get('items', true)
  if (kind?.endsWith('List') === true && isSeq(items)) {
    return items.items.flatMap((item) => (isMap(item) ? workloadsOf(item, problems) : []))
  }
  const title = `${kind ?? 'an object'}/${wordAt(root, ['metadata', 'name']) ?? wordAt(root, ['metadata', 'generateName']) ?? 'without a name'}`
  const at = root.range?.[0] ?? 0
  const path = POD_PATHS[kind ?? '']
  if (path === undefined) {
    if (asked(root, undefined) === 'enabled') {
      problems.push({
        at,
        subject: title,
        message: `has ${INJECT_KEY}, but only ${Object.keys(POD_PATHS).join(', ')} make pods that are known here`,
      })
    }
    return []
  }
  const template = mapAt(root, path)
  const spec = template === undefined ? undefined : mapAt(template, ['spec'])
  if (template !== undefined && spec !== undefined) return [{ title, at, root, template, spec }]
  if (asked(root, template) === 'enabled') {
    problems.push({
      at,
      subject: title,
      message: `has no ${[...path, 'spec'].join('.')} that is written out as a map`,
    })
  }
  return []
}

/** What the label or annotation says, the pod's own word first. */
export function asked(root: YAMLMap, template: YAMLMap | undefined): string | undefined {
  for (const holder of [template, root]) {
    for (const place of ['labels', 'annotations']) {
      const word = holder === undefined ? undefined : wordAt(holder, ['metadata', place, INJECT_KEY])
      if (word !== undefined) return word
    }
  }
  return undefined
}

export function mapAt(from: YAMLMap, path: readonly string[]): YAMLMap | undefined {
  let node: unknown = from
  for (const key of path) node = isMap(node) ? node.get(key, true) : undefined
  return isMap(node) ? node : undefined
}

export function wordAt(from: YAMLMap, path: readonly string[]): string | undefined {
  const holder = mapAt(from, path.slice(0, -1))
  const value = holder?.get(path.at(-1) ?? '')
  return typeof value === 'string' ? value : undefined
}

/** Whether the key is there with something that no edit can be made in: an alias, or nothing. */
export function isUneditable(map: YAMLMap, key: string): boolean {
  const node = map.get(key, true)
  return map.has(key) && (isAlias(node) || (!isMap(node) && !isSeq(node)))
}
