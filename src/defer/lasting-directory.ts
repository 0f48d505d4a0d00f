/**
 * Whether what is written to a directory is there after the container is gone. A promise of 202 on the layer of a
 * container, on tmpfs or on an `emptyDir` would end with the pod.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export interface Mount {
  /** Within the file system that is mounted. */
  readonly root: string
  readonly point: string
  readonly type: string
}

/** The mount that holds `path`; `table` is the text of `/proc/self/mountinfo` (proc(5)). */
export function mountOf(table: string, path: string): Mount | undefined {
  let best: Mount | undefined
  for (const line of table.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , root = '', point = ''] = left.split(' ').map(unescaped)
    const holds = point === '/' || path === point || path.startsWith(`${point}/`)
    // The last of equal ones lies on top.
    if (point !== '' && holds && point.length >= (best?.point.length ?? 0)) {
      best = { root, point, type: right.split(' ')[0] ?? '' }
    }
  }
  return best
}

/** Why a promise would not outlive the container; undefined = it does, as far as one can see. */
export function whyNotLasting(mount: Mount | undefined, inContainer: boolean): string | undefined {
  if (mount === undefined) return undefined
  if (mount.type === 'tmpfs' || mount.type === 'ramfs') return `is in memory (${mount.type})`
  if (mount.root.includes('kubernetes.io~empty-dir')) return 'is an emptyDir, which goes with the pod'
  if (inContainer && (mount.type === 'overlay' || mount.point === '/')) {
    return 'is on the layer of the container, which goes with it'
  }
  return undefined
}

/** @param isInCluster Kubernetes says so in the environment of every pod */
export function lastingProblem(dir: string, isInCluster: boolean): string | undefined {
  let table: string
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return undefined
  }
  return whyNotLasting(mountOf(table, resolve(dir)), isInCluster)
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
