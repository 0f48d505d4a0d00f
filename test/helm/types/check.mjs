// The goldens against Kubernetes' own types: the compiler finds fields that do not exist, the models' schemas find
// wrong values (`replicas: two`). `npm ci --prefix test/helm/types` first.
//
//   node test/helm/types/check.mjs                  every golden
//   node test/helm/types/check.mjs manifest.yaml... others
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

const HERE = import.meta.dirname
const GOLDEN = join(HERE, '..', 'golden')
const TSC = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))

/** Where the model of a kind is. A kind that is not here is a failure: nothing is passed over. */
const PACKAGES = {
  v1: 'kubernetes-models/v1',
  'apps/v1': 'kubernetes-models/apps/v1',
  'batch/v1': 'kubernetes-models/batch/v1',
  'autoscaling/v2': 'kubernetes-models/autoscaling/v2',
  'policy/v1': 'kubernetes-models/policy/v1',
  'networking.k8s.io/v1': 'kubernetes-models/networking.k8s.io/v1',
  'admissionregistration.k8s.io/v1': 'kubernetes-models/admissionregistration.k8s.io/v1',
  'storage.k8s.io/v1': 'kubernetes-models/storage.k8s.io/v1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
}

const files =
  process.argv.length > 2 ? process.argv.slice(2) : readdirSync(GOLDEN).map((file) => join(GOLDEN, file))
const work = mkdtempSync(join(HERE, '.check-'))
const problems = []
try {
  const lines = []
  let count = 0
  for (const file of files) {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
      const manifest = document.toJS()
      if (manifest === null) continue
      const title = `${file}: ${manifest.kind}/${manifest.metadata?.name}`
      const from = PACKAGES[manifest.apiVersion]
      if (from === undefined) {
        problems.push(`${title}: no model for ${manifest.apiVersion}`)
        continue
      }
      const models = await import(from)
      const Model = models[manifest.kind]
      if (Model === undefined) {
        problems.push(`${title}: no model for ${manifest.kind} in ${from}`)
        continue
      }
      try {
        new Model(manifest).validate()
      } catch (error) {
        problems.push(`${title}: ${error.message}`)
      }
      count += 1
      lines.push(`// ${title}`)
      lines.push(`import type { I${manifest.kind} as I${count} } from '${from}'`)
      lines.push(`export const d${count}: I${count} = ${JSON.stringify(manifest, undefined, 1)}`)
    }
  }
  writeFileSync(join(work, 'manifests.ts'), lines.join('\n'))
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--types',
    '',
    '--pretty',
    'false',
  ]
  try {
    execFileSync(process.execPath, [TSC, ...options, join(work, 'manifests.ts')], { encoding: 'utf8' })
  } catch (error) {
    problems.push(
      ...`${error.stdout}${error.stderr}`
        .trim()
        .split('\n')
        .map((line) => told(line, lines)),
    )
  }
  console.log(`${count} manifests against their types`)
} finally {
  rmSync(work, { recursive: true })
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1

/** The compiler's complaint, under the manifest that it is about. */
function told(line, written) {
  const at = Number(/\((\d+),\d+\)/.exec(line)?.[1] ?? 0)
  const title = written
    .join('\n')
    .split('\n')
    .slice(0, at)
    .findLast((text) => text.startsWith('// '))
  return `${title?.slice(3) ?? ''}: ${line.replace(/^.*?: /, '')}`
}
