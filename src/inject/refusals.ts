/** What the sidecar cannot share a pod with. Each sentence says what is there, and what to do. */
import { isMap, isSeq, type YAMLMap } from 'yaml'
import { SIDECAR_NAME, SIDECAR_VOLUMES, type Named } from './sidecar.ts'
import { isUneditable, wordAt, type InjectProblem, type Workload } from './workloads.ts'

export interface Wanted {
  readonly ports: readonly number[]
  readonly env: readonly Named[]
  /** Containers that get the variables; empty = all. */
  readonly containers: readonly string[]
}

/** Proxies that most clients take from the environment, for plain HTTP. */
const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']

export function refusals(workload: Workload, wanted: Wanted): InjectProblem[] {
  const { title, spec, at } = workload
  const found: InjectProblem[] = []
  const refuse = (message: string, node?: YAMLMap): void => {
    found.push({ at: node?.range?.[0] ?? at, subject: title, message })
  }
  if (spec.get('hostNetwork') === true) {
    refuse(
      `hostNetwork is true: the sidecar's ports would be the node's, and 127.0.0.1 is shared with every such pod; use a gateway for it`,
      spec,
    )
  }
  if (
    wordAt(spec, ['os', 'name']) === 'windows' ||
    wordAt(spec, ['nodeSelector', 'kubernetes.io/os']) === 'windows'
  ) {
    refuse('it runs on Windows, and the image of Weir is Linux; use a gateway for it', spec)
  }
  for (const key of ['containers', 'initContainers', 'volumes']) {
    if (isUneditable(spec, key))
      refuse(`${key} is empty or an alias: write the list out, or take the key away`, spec)
  }
  const metadata = workload.template.get('metadata', true)
  if (
    isUneditable(workload.template, 'metadata') ||
    (isMap(metadata) && isUneditable(metadata, 'annotations'))
  ) {
    refuse(
      'metadata or its annotations are empty or an alias: write the map out, or take the key away',
      workload.template,
    )
  }
  for (const volume of mapsIn(spec, 'volumes')) {
    if (SIDECAR_VOLUMES.includes(wordAt(volume, ['name']) ?? '')) {
      refuse(
        `there is a volume ${String(volume.get('name'))} that weir inject did not put there: rename it`,
        volume,
      )
    }
  }
  const containers = mapsIn(spec, 'containers')
  if (containers.length === 0) refuse('there are no containers', spec)
  for (const container of [...containers, ...mapsIn(spec, 'initContainers')]) {
    if (wordAt(container, ['name']) === SIDECAR_NAME) {
      refuse(
        `there is a container ${SIDECAR_NAME} that weir inject did not put there: rename it, or take it away`,
        container,
      )
    }
    for (const port of mapsIn(container, 'ports')) {
      const number = Number(port.get('containerPort'))
      if (wanted.ports.includes(number)) {
        refuse(
          `port ${number} is taken by container ${nameIn(container)}: give the sidecar others in its ConfigMap, and say them by --agents-port and --operator-port`,
          port,
        )
      }
    }
  }
  for (const name of wanted.containers) {
    if (!containers.some((container) => wordAt(container, ['name']) === name))
      refuse(`there is no container ${name}`, spec)
  }
  for (const container of containers.filter((one) => isChosen(one, wanted.containers))) {
    for (const message of environmentProblems(container, wanted.env)) refuse(message, container)
  }
  return found
}

/** Whether the container gets the variables. */
export function isChosen(container: YAMLMap, names: readonly string[]): boolean {
  return names.length === 0 || names.includes(nameIn(container))
}

export function mapsIn(map: YAMLMap, key: string): YAMLMap[] {
  const list = map.get(key, true)
  return isSeq(list) ? list.items.filter((item) => isMap(item)) : []
}

function nameIn(container: YAMLMap): string {
  return wordAt(container, ['name']) ?? 'without a name'
}

function environmentProblems(container: YAMLMap, wanted: readonly Named[]): string[] {
  const name = nameIn(container)
  if (isUneditable(container, 'env'))
    return [`env of container ${name} is empty or an alias: write the list out, or take the key away`]
  const env = mapsIn(container, 'env')
  const names = env.map((variable) => wordAt(variable, ['name']) ?? '')
  const taken = wanted.filter((variable) => names.includes(variable.name))
  const problems = taken.map(
    (variable) =>
      `container ${name} sets ${variable.name} itself: take it away, or leave the container out by --container`,
  )
  const proxy = names.find((variable) => PROXY_VARIABLES.includes(variable))
  const exempt = env
    .filter((variable) => /^no_proxy$/i.test(wordAt(variable, ['name']) ?? ''))
    .map((variable) => variable.get('value'))
  if (
    proxy !== undefined &&
    !exempt.some((value) => typeof value === 'string' && /(^|,)\s*(127\.0\.0\.1|\*)\s*(,|$)/.test(value))
  ) {
    problems.push(
      `container ${name} sets ${proxy}, and NO_PROXY does not name 127.0.0.1: its calls for Weir would go to that proxy; add 127.0.0.1 to NO_PROXY`,
    )
  }
  return problems
}
