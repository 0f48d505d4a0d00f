/**
 * Weir as a container beside an agent: the same, field by field, as the chart's named template `weir.sidecar`
 * (helm/weir/templates/_sidecar.tpl); test/inject/sidecar.test.ts compares the two.
 */

export interface SecretKey {
  readonly name: string
  readonly key: string
}

export interface SidecarOptions {
  readonly image: string
  /** ConfigMap with `weir.yaml`, which the chart makes in `mode: sidecar`. */
  readonly configMap: string
  /** ConfigMap of policies, its keys ending in .yaml; absent = the default in the image. */
  readonly policiesConfigMap?: string
  /** As `weir.yaml` says them. */
  readonly agentsPort: number
  readonly operatorPort: number
  /** Limit of the container; half of it is the heap's. */
  readonly memoryMi: number
  /** Key of the hash that stands for API keys: WEIR_HASH_KEY. */
  readonly hashKeySecret?: SecretKey
  /** URL of the Redis that Weirs share: WEIR_REDIS_URL. */
  readonly redisSecret?: SecretKey
}

/** What Kubernetes takes as one container, or one volume. */
export interface Named {
  readonly name: string
  readonly [field: string]: unknown
}

export const SIDECAR_NAME = 'weir'
const CONFIG_VOLUME = 'weir-config'
const POLICIES_VOLUME = 'weir-policies'
/** Every volume that a sidecar may bring. */
export const SIDECAR_VOLUMES: readonly string[] = [CONFIG_VOLUME, POLICIES_VOLUME]

const PORT = { agents: 'weir-agents', operator: 'weir-operator' } as const

/** An init container that keeps running (KEP-753): it starts before the agent and ends after it. */
export function sidecarContainer(options: SidecarOptions): Named {
  return {
    name: SIDECAR_NAME,
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['run', '--config', '/etc/weir/config/weir.yaml'],
    env: [
      { name: 'NODE_OPTIONS', value: `--max-old-space-size=${Math.floor(options.memoryMi / 2)}` },
      ...fromSecret('WEIR_HASH_KEY', options.hashKeySecret),
      ...fromSecret('WEIR_REDIS_URL', options.redisSecret),
    ],
    ports: [
      { name: PORT.agents, containerPort: options.agentsPort, protocol: 'TCP' },
      { name: PORT.operator, containerPort: options.operatorPort, protocol: 'TCP' },
    ],
    startupProbe: {
      httpGet: { path: '/readyz', port: PORT.operator },
      periodSeconds: 1,
      failureThreshold: 60,
    },
    readinessProbe: {
      httpGet: { path: '/readyz', port: PORT.operator },
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 1,
    },
    livenessProbe: {
      httpGet: { path: '/livez', port: PORT.operator },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    resources: {
      limits: { memory: `${options.memoryMi}Mi` },
      requests: { cpu: '100m', memory: '128Mi' },
    },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: CONFIG_VOLUME, mountPath: '/etc/weir/config', readOnly: true },
      ...(options.policiesConfigMap === undefined
        ? []
        : [{ name: POLICIES_VOLUME, mountPath: '/etc/weir/policies', readOnly: true }]),
    ],
    restartPolicy: 'Always',
  }
}

export function sidecarVolumes(options: SidecarOptions): Named[] {
  const { configMap, policiesConfigMap } = options
  const config = { name: CONFIG_VOLUME, configMap: { name: configMap } }
  if (policiesConfigMap === undefined) return [config]
  return [config, { name: POLICIES_VOLUME, configMap: { name: policiesConfigMap } }]
}

function fromSecret(name: string, secret: SecretKey | undefined): Named[] {
  if (secret === undefined) return []
  return [{ name, valueFrom: { secretKeyRef: { name: secret.name, key: secret.key } } }]
}
