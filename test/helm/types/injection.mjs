// The expressions of the chart's admission policy, evaluated on pods as the API server does it (KEP-3962): parsed and
// type-checked as CEL with lists and maps of one type each, then the JSON patch is carried out, then the apply
// configuration is merged by name. What is left out: the API server's own schema of `Object` (its typed literals are
// taken as maps here; test/helm/types/check.mjs checks the same sidecar in its YAML form).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Environment } from '@marcbachmann/cel-js'
import { parseAllDocuments } from 'yaml'

const GOLDEN = join(import.meta.dirname, '..', 'golden')

function golden(name, kind) {
  const documents = parseAllDocuments(readFileSync(join(GOLDEN, `${name}.yaml`), 'utf8'))
  return documents.map((document) => document.toJS()).find((manifest) => manifest.kind === kind)
}

/** `Object.spec{name: x}` as `{"name": dyn(x)}`: CEL's maps instead of the API server's types. */
function withoutTypes(text) {
  let at = 0
  function until(ends) {
    let out = ''
    while (at < text.length && !ends.includes(text[at])) {
      const string = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(at))?.[0]
      const typed = /^(?:JSONPatch|Object(?:\.\w+)*)\{/.exec(text.slice(at))?.[0]
      if (string !== undefined) out += take(string.length)
      else if (typed !== undefined) out += literal(typed.length)
      else if ('{[('.includes(text[at])) {
        const close = { '{': '}', '[': ']', '(': ')' }[text[at]]
        out += take(1) + until(close) + take(1)
      } else out += take(1)
    }
    return out
  }
  function literal(length) {
    at += length
    const fields = []
    while (text[at] !== '}') {
      const name = /^\s*(\w+): /.exec(text.slice(at))
      assert.ok(name, `a field at ${text.slice(at, at + 40)}`)
      at += name[0].length
      fields.push(`"${name[1]}": dyn(${until(',}')})`)
      if (text[at] === ',') at += 1
    }
    at += 1
    return `{${fields.join(', ')}}`
  }
  function take(length) {
    at += length
    return text.slice(at - length, at)
  }
  return until('')
}

const environment = new Environment({ homogeneousAggregateLiterals: true }).registerVariable('object', 'dyn')

function evaluate(expression, object) {
  const parsed = environment.parse(withoutTypes(expression))
  const checked = parsed.check()
  assert.ok(checked.valid, String(checked.error))
  return plain(parsed({ object }))
}

function plain(value) {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return plain(Object.fromEntries(value))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

/** RFC 6902, `add` alone. */
function patched(object, operations) {
  const result = structuredClone(object)
  for (const { op, path, value } of operations) {
    assert.equal(op, 'add')
    const keys = path.split('/').slice(1)
    const last = keys.pop()
    const holder = keys.reduce((inner, key) => inner[key], result)
    if (!Array.isArray(holder)) holder[last] = value
    else holder.splice(last === '-' ? holder.length : Number(last), 0, value)
  }
  return result
}

/** Lists of things with names are merged by name; all else is replaced. */
function applied(below, above) {
  if (Array.isArray(above)) {
    const result = [...(below ?? [])]
    for (const item of above) {
      const at = result.findIndex(({ name }) => name === item.name)
      if (at === -1) result.push(item)
      else result[at] = applied(result[at], item)
    }
    return result
  }
  if (typeof above !== 'object' || above === null) return above
  return {
    ...below,
    ...Object.fromEntries(Object.entries(above).map(([key, inner]) => [key, applied(below?.[key], inner)])),
  }
}

const { matchConditions, mutations } = golden('sidecar-injection', 'MutatingAdmissionPolicy').spec
const [patch, apply] = mutations.map(
  ({ jsonPatch, applyConfiguration }) => (jsonPatch ?? applyConfiguration).expression,
)
const injected = (pod) => {
  const withSidecar = patched(pod, evaluate(patch, pod))
  return applied(withSidecar, evaluate(apply, withSidecar))
}

// The chart's own sidecar, but for the values that the two sets of ci differ in.
const expected = structuredClone(golden('sidecar-example', 'Deployment').spec.template.spec.initContainers[0])
expected.image = 'registry.example/weir:1'
expected.env = expected.env.filter(({ name }) => name === 'NODE_OPTIONS')
expected.ports = expected.ports.map((port, index) => ({ ...port, containerPort: [28080, 29090][index] }))
expected.volumeMounts = expected.volumeMounts.filter(({ name }) => name === 'weir-config')
const volume = { name: 'weir-config', configMap: { name: 'weir' } }
const variables = [
  'WEIR_AGENT',
  'OPENAI_BASE_URL',
  'OPENAI_API_BASE',
  'OPENAI_CUSTOM_HEADERS',
  'GOOGLE_GEMINI_BASE_URL',
]

const bare = {
  kind: 'Pod',
  spec: {
    containers: [
      { name: 'a', image: 'a' },
      { name: 'b', image: 'b' },
    ],
  },
}
const rich = {
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: {
    initContainers: [{ name: 'first', image: 'f' }],
    containers: [{ name: 'a', image: 'a', env: [{ name: 'X', value: 'y' }] }],
    volumes: [{ name: 'v', emptyDir: {} }],
  },
}

for (const pod of [bare, rich]) {
  for (const { expression } of matchConditions) assert.equal(evaluate(expression, pod), true)
  const result = injected(pod)
  assert.deepEqual(result.spec.initContainers, [expected, ...(pod.spec.initContainers ?? [])])
  assert.deepEqual(result.spec.volumes, [...(pod.spec.volumes ?? []), volume])
  assert.equal(result.spec.containers.length, pod.spec.containers.length)
  result.spec.containers.forEach((container, index) => {
    const { env = [], ...before } = pod.spec.containers[index]
    assert.deepEqual(container, { ...before, env: [...env, ...container.env.slice(env.length)] })
    assert.deepEqual(
      container.env.slice(env.length).map(({ name }) => name),
      variables,
    )
  })
  const again = matchConditions.map(({ expression }) => evaluate(expression, result))
  assert.deepEqual(again, [false], 'a pod that has its sidecar is left alone')
}
// The check checks: a list of two types is no CEL for the API server.
assert.throws(() => evaluate('["a", 1]', bare))
console.log('the admission policy injects the sidecar of the chart, and once')
