/**
 * Weir beside the agents of Kubernetes manifests: text in, text out. Only lines are added, so a diff shows the sidecar
 * and nothing else, and taking it out gives back the same bytes (a list or map that was written as empty, `[]` or
 * `{}`, is left out then).
 */
import { isDeepStrictEqual } from 'node:util'
import { isMap, isSeq, parseAllDocuments, type YAMLMap } from 'yaml'
import { baseUrlEnv, type BaseUrlOptions } from './base-urls.ts'
import { isChosen, mapsIn, refusals } from './refusals.ts'
import {
  sidecarContainer,
  sidecarVolumes,
  SIDECAR_NAME,
  SIDECAR_VOLUMES,
  type Named,
  type SidecarOptions,
} from './sidecar.ts'
import {
  nameOf,
  putItems,
  putPair,
  putSecondPair,
  SpliceError,
  spliced,
  takeItem,
  takePair,
  type Edit,
} from './splice.ts'
import {
  asked,
  InjectError,
  mapAt,
  wordAt,
  workloadsIn,
  type InjectProblem,
  type Workload,
} from './workloads.ts'

export interface InjectOptions extends SidecarOptions, BaseUrlOptions {
  /** Every workload that does not say `disabled`; else only those that say `enabled`. */
  readonly all: boolean
  /** Containers that get the variables; empty = all but init containers. */
  readonly containers: readonly string[]
}

export interface Injected {
  readonly text: string
  /** Titles of the workloads that were changed. */
  readonly changed: readonly string[]
}

/** On the pods: the variables that were put in. By it `uninject` knows what is ours. */
export const INJECTED_KEY = 'weir-proxy.io/injected'

/**
 * Puts the sidecar and the variables in; what an earlier run put in is replaced.
 *
 * @param file for messages
 * @throws InjectError with everything that cannot be done
 */
export function inject(file: string, text: string, options: InjectOptions): Injected {
  const clean = uninject(file, text).text
  const problems: InjectProblem[] = []
  const env = baseUrlEnv(options)
  const wanted = { ports: [options.agentsPort, options.operatorPort], env, containers: options.containers }
  const chosen = workloadsIn(file, clean, problems).filter((workload) => isAsked(workload, options.all))
  problems.push(...chosen.flatMap((workload) => refusals(workload, wanted)))
  if (problems.length > 0) throw new InjectError(file, clean, problems)
  const result = edited(file, clean, chosen, (workload) => putIn(clean, workload, options, env))
  if (!isDeepStrictEqual(meaningOf(uninject(file, result).text), meaningOf(clean))) {
    const told = [
      {
        at: 0,
        subject: '',
        message: 'is written in a way that the sidecar could not be taken out of again; write it plainly',
      },
    ]
    throw new InjectError(file, clean, told)
  }
  return { text: result, changed: chosen.map(({ title }) => title) }
}

/** Takes out what `inject` put in, and nothing else. @throws InjectError */
export function uninject(file: string, text: string): Injected {
  const injected = workloadsIn(file, text, []).filter(({ template }) => markOf(template) !== undefined)
  if (injected.length === 0) return { text, changed: [] }
  const result = edited(file, text, injected, (workload) => takeOut(text, workload))
  return { text: result, changed: injected.map(({ title }) => title) }
}

function isAsked({ root, template }: Workload, all: boolean): boolean {
  const word = asked(root, template)
  return word === 'enabled' || (all && word !== 'disabled')
}

function edited(
  file: string,
  text: string,
  workloads: readonly Workload[],
  edits: (workload: Workload) => Edit[],
): string {
  const all: Edit[] = []
  for (const workload of workloads) {
    try {
      all.push(...edits(workload))
    } catch (error) {
      if (!(error instanceof SpliceError)) throw error
      const told = [
        { at: error.at, subject: workload.title, message: `${error.message}: write it in the usual form` },
      ]
      throw new InjectError(file, text, told)
    }
  }
  return spliced(text, all)
}

function putIn(
  text: string,
  { template, spec }: Workload,
  options: InjectOptions,
  env: readonly Named[],
): Edit[] {
  const mark = { [INJECTED_KEY]: env.map(({ name }) => name).join(',') }
  const metadata = mapAt(template, ['metadata'])
  const annotations = mapAt(template, ['metadata', 'annotations'])
  const edits =
    metadata === undefined
      ? [putPair(text, template, 'metadata', { annotations: mark }, 'spec')]
      : annotations === undefined
        ? [putPair(text, metadata, 'annotations', mark)]
        : [putPair(text, annotations, INJECTED_KEY, mark[INJECTED_KEY])]
  edits.push(putList(text, spec, 'initContainers', [sidecarContainer(options)]))
  edits.push(putList(text, spec, 'volumes', sidecarVolumes(options)))
  for (const container of mapsIn(spec, 'containers').filter((one) => isChosen(one, options.containers))) {
    const list = container.get('env', true)
    edits.push(isSeq(list) ? putItems(text, list, env) : putSecondPair(text, container, 'env', env))
  }
  return edits
}

function putList(text: string, spec: YAMLMap, key: string, items: readonly Named[]): Edit {
  const list = spec.get(key, true)
  return isSeq(list) ? putItems(text, list, items) : putPair(text, spec, key, items, 'containers')
}

function takeOut(text: string, { template, spec }: Workload): Edit[] {
  const variables = (markOf(template) ?? '').split(',')
  return [
    ...takeMark(text, template),
    ...takeNamed(text, spec, 'initContainers', [SIDECAR_NAME]),
    ...takeNamed(text, spec, 'volumes', SIDECAR_VOLUMES),
    ...mapsIn(spec, 'containers').flatMap((container) => takeNamed(text, container, 'env', variables)),
  ]
}

/** The annotation, with the maps that would be empty without it. */
function takeMark(text: string, template: YAMLMap): Edit[] {
  const metadata = mapAt(template, ['metadata'])
  const annotations = mapAt(template, ['metadata', 'annotations'])
  if (metadata === undefined || annotations === undefined) return []
  if (annotations.items.length > 1) return takeKey(text, annotations, INJECTED_KEY)
  if (metadata.items.length > 1) return takeKey(text, metadata, 'annotations')
  return takeKey(text, template, 'metadata')
}

function takeNamed(text: string, holder: YAMLMap, key: string, names: readonly string[]): Edit[] {
  const list = holder.get(key, true)
  if (!isSeq(list)) return []
  const ours = list.items.filter((item) => isMap(item) && names.includes(wordAt(item, ['name']) ?? ''))
  if (ours.length > 0 && ours.length === list.items.length) return takeKey(text, holder, key)
  return ours.map((item) => takeItem(text, list, item))
}

function takeKey(text: string, map: YAMLMap, key: string): Edit[] {
  const pair = map.items.find((one) => nameOf(one) === key)
  return pair === undefined ? [] : [takePair(text, map, pair)]
}

function markOf(template: YAMLMap): string | undefined {
  return wordAt(template, ['metadata', 'annotations', INJECTED_KEY])
}

/** What the manifests say, whatever their layout; empty lists and maps say nothing. */
function meaningOf(text: string): unknown {
  const documents = parseAllDocuments(text, { logLevel: 'error' })
  return Array.isArray(documents) ? documents.map((document) => withoutEmpty(document.toJS())) : []
}

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  const pairs = Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const)
  return Object.fromEntries(pairs.filter(([, inner]) => !isEmpty(inner)))
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
