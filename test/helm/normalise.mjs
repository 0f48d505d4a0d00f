// Rendered manifests from standard input to standard output: one document after another, by kind and name, keys in
// order, without comments. So goldens do not depend on who rendered them.
import { readFileSync } from 'node:fs'
import { parseAllDocuments, stringify } from 'yaml'

const documents = parseAllDocuments(readFileSync(0, 'utf8'), { uniqueKeys: true })
const errors = documents.flatMap((document) => document.errors)
if (errors.length > 0) {
  for (const error of errors) process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
const manifests = documents.map((document) => document.toJS()).filter((manifest) => manifest !== null)
const place = ({ kind, metadata }) => `${kind}/${metadata.name}`
const sorted = manifests.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
const texts = sorted.map((manifest) =>
  stringify(manifest, { sortMapEntries: true, lineWidth: 0, singleQuote: true }),
)
process.stdout.write(texts.join('---\n'))
