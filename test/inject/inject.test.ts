/** `weir inject` on manifests that others wrote, and on every form that a pod can be written in. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { inject, uninject, type InjectOptions } from '../../src/inject/inject.ts'
import { injectedModel } from './model.ts'

const MANIFESTS = join(import.meta.dirname, 'manifests')
const PUBLIC = readdirSync(MANIFESTS).filter((file) => file.endsWith('.yaml.txt'))

const OPTIONS: InjectOptions = {
  image: 'registry.example/weir:0.1.0',
  configMap: 'weir',
  agentsPort: 18_080,
  operatorPort: 19_090,
  memoryMi: 512,
  upstreams: ['openai', 'anthropic'],
  identity: 'path',
  variables: [],
  containers: [],
  all: true,
}
const LABELLED = { ...OPTIONS, all: false }

function objects(text: string): any[] {
  return parseAllDocuments(text).map((document) => document.toJS())
}

function said(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'nothing was refused'
}

describe.each(PUBLIC)('%s', (file) => {
  const text = readFileSync(join(MANIFESTS, file), 'utf8')
  const injected = inject(file, text, OPTIONS)

  it('means what it meant, with the sidecar and the variables in every pod', () => {
    expect(injected.changed.length).toBeGreaterThan(0)
    expect(objects(injected.text)).toEqual(objects(text).map((manifest) => injectedModel(manifest, OPTIONS)))
  })

  it('keeps each of its lines: what is new was only put in between', () => {
    const left = injected.text.split('\n')
    const missing = text.split('\n').filter((line) => {
      const at = left.indexOf(line)
      if (at !== -1) left.splice(0, at + 1)
      return at === -1
    })
    expect(missing).toEqual([])
  })

  it('stays as it is when it is injected again, and gets the new options when they change', () => {
    expect(inject(file, injected.text, OPTIONS).text).toBe(injected.text)
    const newer = { ...OPTIONS, image: 'registry.example/weir:0.2.0', upstreams: ['gemini'] }
    expect(inject(file, injected.text, newer).text).toBe(inject(file, text, newer).text)
  })

  it('is byte for byte what it was when the sidecar is taken out', () => {
    expect(uninject(file, injected.text)).toEqual({ text, changed: injected.changed })
  })

  it('is left alone without the label', () => {
    expect(inject(file, text, LABELLED)).toEqual({ text, changed: [] })
  })
})

/** Each is one way to write a pod. */
const FORMS: Readonly<Record<string, string>> = {
  'a Pod': `apiVersion: v1
kind: Pod
metadata: { name: agent }
spec:
  # who works
  containers:
    # the agent
    - name: agent # the one
      # where it is from
      image: agent:1
`,
  'a Job without metadata of its pods': `kind: Job
metadata:
  name: once
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - image: agent:1
        name: agent`,
  'a CronJob with a command first': `kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata:
          annotations: {a: b}
        spec:
          containers:
          - command:
            - sh
            - |
              echo hello

              sleep 1

            name: agent
            image: agent:1
            env: [{name: A, value: "1"}, {name: B, value: $(A)}]
          volumes:
          - {name: data, emptyDir: {}}
`,
  'a List': `apiVersion: v1
kind: List
items:
- kind: ConfigMap
  metadata: {name: words}
- kind: Pod
  metadata:
    name: a
    annotations:
      # first
      first: "1"
  spec:
    containers: [{name: a, image: "a:1"}]
- kind: ReplicaSet
  metadata: {name: b}
  spec:
    template:
      metadata: {labels: {app: b}}
      spec: {containers: [{name: b, image: "b:1", env: [{name: X, value: y}]}], volumes: [{name: v, emptyDir: {}}]}
`,
  'JSON of one line': JSON.stringify({
    kind: 'Deployment',
    metadata: { name: 'agent' },
    spec: {
      template: {
        metadata: { labels: { app: 'agent' } },
        spec: { containers: [{ name: 'agent', image: 'a' }] },
      },
    },
  }),
  'JSON of many lines': JSON.stringify(
    {
      kind: 'List',
      items: [
        {
          kind: 'DaemonSet',
          metadata: { name: 'a' },
          spec: {
            template: {
              spec: {
                containers: [
                  { name: 'a', image: 'a' },
                  { name: 'b', image: 'b', env: [{ name: 'C', value: 'c' }] },
                ],
              },
            },
          },
        },
      ],
    },
    undefined,
    2,
  ),
  'Windows line ends':
    'kind: Pod\r\nmetadata:\r\n  name: a\r\nspec:\r\n  containers:\r\n  - name: a\r\n    image: a:1\r\n',
  'dashes on lines of their own': `kind: Pod
metadata: {name: a}
spec:
  volumes:
    -
      name: v
      emptyDir: {}
  containers:
    -
      name: a
      image: a:1
`,
}

describe.each(Object.entries(FORMS))('%s', (_name, text) => {
  it('is injected, twice the same, and restored byte for byte', () => {
    const injected = inject('form', text, OPTIONS)
    expect(objects(injected.text)).toEqual(objects(text).map((manifest) => injectedModel(manifest, OPTIONS)))
    expect(inject('form', injected.text, OPTIONS).text).toBe(injected.text)
    expect(uninject('form', injected.text).text).toBe(text)
  })
})

function deployment(name: string, where: string, word: string): string {
  const label = `{ weir-proxy.io/inject: ${word} }`
  return `kind: Deployment
metadata:
  name: ${name}
${where === 'workload' ? `  labels: ${label}\n` : ''}spec:
  template:
    metadata:
      name: pods
${where === 'pods' ? `      labels: ${label}\n` : ''}${where === 'annotation' ? `      annotations: ${label}\n` : ''}    spec:
      containers: [{ name: a, image: a }]
`
}

describe('which workloads', () => {
  const text = [
    deployment('by-workload', 'workload', 'enabled'),
    deployment('by-pods', 'pods', 'enabled'),
    deployment('by-annotation', 'annotation', 'enabled'),
    deployment('not', 'pods', 'disabled'),
    deployment('silent', '', ''),
  ].join('---\n')

  it('are those that say so, on the pods or on what makes them', () => {
    const titles = ['Deployment/by-workload', 'Deployment/by-pods', 'Deployment/by-annotation']
    expect(inject('f', text, LABELLED).changed).toEqual(titles)
  })

  it('are with --all also those that say nothing, and never those that say no', () => {
    expect(inject('f', text, OPTIONS).changed).not.toContain('Deployment/not')
    expect(inject('f', text, OPTIONS).changed).toContain('Deployment/silent')
  })

  it('are all looked at, and only the named container gets the variables', () => {
    const two =
      'kind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n  - { name: a, image: a }\n  - { name: b, image: b }\n'
    const options = { ...OPTIONS, containers: ['b'] }
    const injected = inject('f', two, options)
    expect(objects(injected.text)).toEqual(objects(two).map((manifest) => injectedModel(manifest, options)))
    expect(objects(injected.text)[0].spec.containers[0].env).toBeUndefined()
    expect(uninject('f', injected.text).text).toBe(two)
  })

  it('leave everything else as it is: text without manifests, comments, nothing at all', () => {
    for (const other of ['', '# nothing\n', '---\n---\n', 'just words\n', 'a: 1\n---\n- 2\n']) {
      expect(inject('f', other, OPTIONS)).toEqual({ text: other, changed: [] })
      expect(uninject('f', other)).toEqual({ text: other, changed: [] })
    }
  })
})

describe('the variables', () => {
  const pod = 'kind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n  - { name: a, image: a }\n'
  const envOf = (options: InjectOptions): Record<string, string> =>
    Object.fromEntries(
      objects(inject('f', pod, options).text)[0].spec.containers[0].env.map((one: any) => [
        one.name,
        one.value,
      ]),
    )

  it('lead each SDK to its upstream under the name of the pod', () => {
    expect(envOf(OPTIONS)).toEqual({
      WEIR_AGENT: undefined,
      OPENAI_BASE_URL: 'http://127.0.0.1:18080/@$(WEIR_AGENT)/openai/v1',
      OPENAI_API_BASE: 'http://127.0.0.1:18080/@$(WEIR_AGENT)/openai/v1',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:18080/@$(WEIR_AGENT)/anthropic',
    })
  })

  it('name the pod by headers where the SDK can, and by the path where it cannot', () => {
    expect(envOf({ ...OPTIONS, identity: 'headers', upstreams: ['openai', 'gemini'] })).toEqual({
      WEIR_AGENT: undefined,
      OPENAI_BASE_URL: 'http://127.0.0.1:18080/openai/v1',
      OPENAI_API_BASE: 'http://127.0.0.1:18080/openai/v1',
      OPENAI_CUSTOM_HEADERS: 'weir-agent: $(WEIR_AGENT)',
      GOOGLE_GEMINI_BASE_URL: 'http://127.0.0.1:18080/@$(WEIR_AGENT)/gemini',
    })
  })

  it("may be the reader's own", () => {
    const variables = [{ name: 'IDP_URL', upstream: 'idp', path: '/v2' }]
    expect(envOf({ ...OPTIONS, upstreams: [], variables })).toEqual({
      WEIR_AGENT: undefined,
      IDP_URL: 'http://127.0.0.1:18080/@$(WEIR_AGENT)/idp/v2',
    })
  })
})

function spec(lines: string): string {
  return `kind: Pod\nmetadata:\n  name: p\nspec:\n${lines}`
}

describe('refuses, and says what, where and what to do', () => {
  const agent = '  containers:\n  - name: a\n    image: a\n'
  it.each([
    ['the network of the node', spec(`  hostNetwork: true\n${agent}`), 'Pod/p: hostNetwork is true'],
    ['Windows', spec(`  nodeSelector: { kubernetes.io/os: windows }\n${agent}`), 'it runs on Windows'],
    [
      'a container weir that is not ours',
      spec(`  initContainers:\n  - { name: weir, image: x }\n${agent}`),
      'there is a container weir',
    ],
    [
      'a volume that is not ours',
      spec(`${agent}  volumes:\n  - { name: weir-config, emptyDir: {} }\n`),
      'there is a volume weir-config',
    ],
    [
      'a port that is taken',
      spec(`${agent}    ports:\n    - containerPort: 19090\n`),
      'port 19090 is taken by container a',
    ],
    [
      "a base URL of the container's own",
      spec(`${agent}    env:\n    - { name: OPENAI_BASE_URL, value: x }\n`),
      'container a sets OPENAI_BASE_URL itself',
    ],
    [
      'a proxy that would get the calls',
      spec(`${agent}    env:\n    - { name: HTTP_PROXY, value: 'http://p' }\n`),
      'container a sets HTTP_PROXY',
    ],
    ['a list that is empty', spec(`${agent}  volumes:\n`), 'volumes is empty or an alias'],
    [
      'variables that are an alias',
      spec(`  containers:\n  - name: a\n    env: &e [{name: X, value: y}]\n  - name: b\n    env: *e\n`),
      'env of container b is empty or an alias',
    ],
    [
      'annotations that are empty',
      `kind: Pod\nmetadata:\n  name: p\n  annotations:\nspec:\n${agent}`,
      'metadata or its annotations are empty',
    ],
    ['no containers', spec('  volumes: []\n'), 'there are no containers'],
    [
      'a kind that is not known',
      'kind: Rollout\nmetadata: { name: r, labels: { weir-proxy.io/inject: enabled } }\n',
      'Rollout/r: has weir-proxy.io/inject',
    ],
    [
      'text that is no YAML',
      'kind: Pod\nspec: {{ .Values.spec }}\n  x\n',
      'f:3:1: All mapping items must start at the same column',
    ],
  ])('%s', (_what, text, words) => {
    expect(said(() => inject('f', text, OPTIONS))).toContain(words)
  })

  it('with every problem at its line, and without any change', () => {
    const text = `${spec(agent)}---\n${spec(`  hostNetwork: true\n${agent}    ports:\n    - containerPort: 18080\n`)}`
    expect(said(() => inject('f', text, OPTIONS)).split('\n')).toEqual([
      expect.stringMatching(/^f:13:3: Pod\/p: hostNetwork is true/),
      expect.stringMatching(/^f:18:7: Pod\/p: port 18080 is taken/),
    ])
  })

  it('lets a proxy pass that is told to leave the loopback alone', () => {
    const text = spec(
      `${agent}    env:\n    - { name: HTTP_PROXY, value: 'http://p' }\n    - { name: NO_PROXY, value: 'svc, 127.0.0.1' }\n`,
    )
    expect(inject('f', text, OPTIONS).changed).toEqual(['Pod/p'])
  })
})

it('takes the sidecar out of manifests that another tool has written again', () => {
  const text = FORMS['a List'] as string
  const again = JSON.stringify(objects(inject('f', text, OPTIONS).text)[0])
  expect(objects(uninject('f', again).text)).toEqual(objects(text))
})

it('leaves a list out that was written as empty, which says the same', () => {
  const text =
    'kind: Pod\nmetadata: { name: p }\nspec:\n  volumes: []\n  containers:\n  - { name: a, image: a, env: [] }\n'
  const restored = uninject('f', inject('f', text, OPTIONS).text).text
  expect(restored).toBe('kind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n  - { name: a, image: a }\n')
})
