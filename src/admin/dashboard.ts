/**
 * The dashboard's files: plain ones, in a folder beside `src` and `dist`, and the two of uPlot from its package. The
 * list is closed, so that no path of a request ever reaches the file system. Read at the first request and kept.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Page } from './answers.ts'

const FOLDER = new URL('../../dashboard/', import.meta.url)
/** uPlot has no `exports`: its files resolve by their path, wherever the package manager put the package. */
const require = createRequire(import.meta.url)

const HTML = 'text/html; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'

const SCRIPTS = [
  'agents',
  'charts',
  'conditions',
  'connection',
  'dom',
  'events',
  'format',
  'heat',
  'keyboard',
  'main',
  'policies',
  'tables',
  'theme',
  'upstreams',
  'workflows',
]

/** Files by path of the operator's listener. */
export function dashboardPages(): ReadonlyMap<string, () => Page> {
  return new Map([
    ['/', own('index.html', HTML)],
    ['/dashboard/style.css', own('style.css', STYLE)],
    ['/dashboard/icon.svg', own('icon.svg', 'image/svg+xml')],
    ...SCRIPTS.map((name) => [`/dashboard/${name}.js`, own(`${name}.js`, SCRIPT)] as const),
    ['/dashboard/vendor/uplot.js', foreign(() => require.resolve('uplot/dist/uPlot.esm.js'), SCRIPT)],
    ['/dashboard/vendor/uplot.css', foreign(() => require.resolve('uplot/dist/uPlot.min.css'), STYLE)],
  ])
}

function own(file: string, contentType: string): () => Page {
  return kept(contentType, () => readFileSync(fileURLToPath(new URL(file, FOLDER))))
}

function foreign(find: () => string, contentType: string): () => Page {
  return kept(contentType, () => readFileSync(find()))
}

function kept(contentType: string, read: () => Buffer): () => Page {
  let page: Page | undefined
  return () => (page ??= { contentType, body: read() })
}
