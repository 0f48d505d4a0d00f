/**
 * The official conformance suite against the MCP face. What a revision requires is the suite's own list, and all of it
 * passes: most with what Weir offers, the rest with the tools, resources and prompts that the suite asks for by name.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createFace } from '../../src/commons/http/face.ts'
import { createMcpFace, type McpFaceOptions } from '../../src/commons/mcp/mcp-face.ts'
import { LiveWall, testCommons } from '../commons/kit.ts'
import { startProxy } from '../kit/proxy.ts'
import { fixtureOffer } from './mcp-fixture.ts'

const SUITE = join(import.meta.dirname, 'node_modules/@modelcontextprotocol/conformance')
const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/mcp.md'), 'utf8')

const REVISIONS = ['2025-11-25', '2026-07-28']

/** Scenarios about a tool, a resource or a prompt of the suite's own, which only the fixture offers. */
const WANTS_FIXTURE = [
  'server-stateless',
  'tools-call-simple-text',
  'tools-call-image',
  'tools-call-audio',
  'tools-call-embedded-resource',
  'tools-call-mixed-content',
  'tools-call-error',
  'resources-read-text',
  'resources-read-binary',
  'resources-templates-read',
  'completion-complete',
  'prompts-get-simple',
  'prompts-get-with-args',
  'prompts-get-embedded-resource',
  'prompts-get-with-image',
  'tools-call-with-logging',
  'tools-call-with-progress',
  'tools-call-sampling',
  'tools-call-elicitation',
  'elicitation-sep1034-defaults',
  'elicitation-sep1330-enums',
  'resources-subscribe',
  'resources-unsubscribe',
  'input-required-result-basic-elicitation',
  'input-required-result-basic-sampling',
  'input-required-result-basic-list-roots',
  'input-required-result-request-state',
  'input-required-result-multiple-input-requests',
  'input-required-result-multi-round',
  'input-required-result-non-tool-request',
  'input-required-result-result-type',
  'input-required-result-tampered-state',
  'input-required-result-capability-check',
]

/** Not required of any server, and passed: to be noticed when that changes. */
const PASSED_BESIDES: Readonly<Record<string, readonly string[]>> = {
  '2025-11-25': ['server-session-lifecycle', 'json-schema-2020-12'],
  '2026-07-28': ['http-header-validation', 'json-schema-2020-12'],
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function face(options: McpFaceOptions): Promise<string> {
  const commons = testCommons(new LiveWall())
  const served = createFace(
    commons,
    '1.2.3',
    new Map([['/weir/v1/mcp', createMcpFace(commons, '1.2.3', options)]]),
  )
  const proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (request, response, path, caller) => served.serve(request, response, path, caller),
  })
  closing.push(async () => {
    served.drain()
    await proxy.close()
  })
  return `${proxy.origin}/weir/v1/mcp`
}

interface Outcome {
  readonly passed: ReadonlySet<string>
  readonly failed: readonly string[]
  readonly output: string
}

/** Runs what a revision requires, and reads the summary. */
async function suite(url: string, revision: string): Promise<Outcome> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-mcp-suite-'))
  closing.push(() => rm(directory, { recursive: true, force: true }))
  const script = join(SUITE, 'dist/index.js')
  const words = [script, 'server', '--url', url, '--requirements', revision]
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      words,
      { cwd: directory, timeout: 110_000, maxBuffer: 64 * 1024 * 1024 },
      (_error, out, err) => resolve(out + err),
    )
  })
  const rows = [...output.matchAll(/^([✓✗]) ([\w-]+): \d+ passed, \d+ failed/gm)]
  const named = (mark: string): string[] => rows.flatMap(([, is, name]) => (is === mark ? [name!] : []))
  return { passed: new Set(named('✓')), failed: named('✗'), output }
}

function required(revision: string): string[] {
  const text = readFileSync(join(SUITE, 'requirements', `${revision}.yaml`), 'utf8')
  return (parse(text) as { server: string[] }).server
}

describe.each(REVISIONS)('the conformance suite for %s', { timeout: 240_000 }, (revision) => {
  const scenarios = required(revision)
  const left = scenarios.filter((name) => WANTS_FIXTURE.includes(name))

  it('passes for what Weir offers: the transport, the protocol, its tools, resources and prompts', async () => {
    const { passed, failed, output } = await suite(await face({}), revision)
    const wanted = scenarios.filter((name) => !left.includes(name))
    expect(
      wanted.filter((name) => !passed.has(name)),
      output.slice(-6000),
    ).toEqual([])
    expect(wanted.length).toBeGreaterThan(7)
    expect(failed.filter((name) => scenarios.includes(name)).toSorted()).toEqual(left.toSorted())
  })

  it('passes whole with the tools, resources and prompts that it asks for, on the same face', async () => {
    const { passed, output } = await suite(await face({ offer: fixtureOffer }), revision)
    const wanted = [...scenarios, ...PASSED_BESIDES[revision]!]
    expect(
      wanted.filter((name) => !passed.has(name)),
      output.slice(-6000),
    ).toEqual([])
  })

  it('is what the manual says of it', () => {
    expect(DOCUMENT).toContain(`| ${revision} | ${scenarios.length} of ${scenarios.length} |`)
  })
})
