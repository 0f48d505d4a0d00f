/** What injection means, on plain objects and without a thought for the text: the tests compare the two. */
import { baseUrlEnv } from '../../src/inject/base-urls.ts'
import { INJECTED_KEY, type InjectOptions } from '../../src/inject/inject.ts'
import { sidecarContainer, sidecarVolumes } from '../../src/inject/sidecar.ts'

type Tree = { [key: string]: any }

export function injectedModel(manifest: Tree | null, options: InjectOptions): Tree | null {
  if (manifest === null) return null
  if (String(manifest['kind']).endsWith('List')) {
    return { ...manifest, items: manifest['items'].map((item: Tree) => injectedModel(item, options)) }
  }
  const result = structuredClone(manifest)
  const pods =
    result['kind'] === 'Pod'
      ? result
      : result['kind'] === 'CronJob'
        ? result['spec'].jobTemplate.spec.template
        : result['spec']?.template
  if (pods?.spec?.containers === undefined) return result
  const env = baseUrlEnv(options)
  pods.metadata ??= {}
  pods.metadata.annotations = {
    [INJECTED_KEY]: env.map(({ name }) => name).join(','),
    ...pods.metadata.annotations,
  }
  pods.spec.initContainers = [sidecarContainer(options), ...(pods.spec.initContainers ?? [])]
  pods.spec.volumes = [...sidecarVolumes(options), ...(pods.spec.volumes ?? [])]
  for (const container of pods.spec.containers) {
    if (options.containers.length > 0 && !options.containers.includes(container.name)) continue
    container.env = [...env, ...(container.env ?? [])]
  }
  return result
}
