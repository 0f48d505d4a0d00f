/** The package as `npm pack` makes it, in an empty folder of somebody else. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

let folder: string
let tarball: string
let files: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-publish-'))
  // As an earlier build leaves what has been renamed since.
  await mkdir(join(ROOT, 'dist'), { recursive: true })
  await writeFile(join(ROOT, 'dist', 'renamed-since.js'), '')
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 * 1024,
  })
  // What the build prints comes before it.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [
    { filename: string; files: { path: string }[] },
  ]
  tarball = join(folder, packed.filename)
  files = packed.files.map(({ path }) => path)
  await writeFile(join(folder, 'package.json'), '{ "name": "somebody", "private": true, "type": "module" }')
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts']
  await run('npm', ['install', ...flags, tarball, '@types/node@20', 'typescript@7.0.2'], { cwd: folder })
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

describe('the packed package', () => {
  it('holds what it needs, and neither sources, tests nor secrets', () => {
    const needed = [
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'dist/main.js',
      'dist/wrap/wrap.d.ts',
      'policies/default.yaml',
    ]
    expect(files).toEqual(expect.arrayContaining(needed))
    expect(
      files.filter((path) =>
        /(^|\/)(src|test|bench|examples|coverage|node_modules)\/|\.env|\.test\./.test(path),
      ),
    ).toEqual([])
  })

  it('holds nothing in dist that has no source any more', () => {
    const built = files.flatMap((path) => /^dist\/(.+?)\.(?:js|js\.map|d\.ts)$/.exec(path)?.[1] ?? [])
    expect(built.length).toBeGreaterThan(100)
    expect(built.filter((name) => !existsSync(join(ROOT, 'src', `${name}.ts`)))).toEqual([])
  })

  it('has nothing that publint complains about', async () => {
    const { stdout } = await run(join(ROOT, 'node_modules', '.bin', 'publint'), ['--strict', tarball])
    expect(stdout).toContain('All good!')
  })

  it('has types that a strict consumer compiles against, libraries checked', async () => {
    await writeFile(
      join(folder, 'consumer.ts'),
      `import { Agent } from 'undici'
import { CallRefused, coordinate, coordinatedFetch, withAgent, withWorkflow, type Fetch } from 'weir-proxy/wrap'
import { AdmitClient, type Pass } from 'weir-proxy/admit'
import { activityInterceptor } from 'weir-proxy/temporal'
import { coordinatedProcessor } from 'weir-proxy/bullmq'
const fetch: Fetch = coordinatedFetch({ upstreams: { openai: 'https://api.openai.com' } })
const agent = new Agent().compose(coordinate({ upstreams: { openai: 'https://api.openai.com' } }))
const admit = new AdmitClient({ weir: 'http://127.0.0.1:8080' })
export async function step(): Promise<number> {
  const pass: Pass = await admit.enter({ upstream: 'openai', priority: 'batch' })
  return (await pass.end({ status: 200 })) ?? withWorkflow('run', () => withAgent('a', () => 1))
}
// @ts-expect-error a name that is no priority
void admit.enter({ upstream: 'openai', priority: 'urgent' })
export { CallRefused, activityInterceptor, agent, coordinatedProcessor, fetch }
`,
    )
    const compiler = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
    }
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: compiler, files: ['consumer.ts'] }),
    )
    const { stdout } = await run(join(folder, 'node_modules', '.bin', 'tsc'), ['-p', '.'], {
      cwd: folder,
    }).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
  })

  it('exports what it says, and nothing else', async () => {
    const script = `
      const { coordinatedFetch } = await import('weir-proxy/wrap')
      await import('weir-proxy/admit'); await import('weir-proxy/temporal'); await import('weir-proxy/bullmq')
      const fetch = coordinatedFetch({ upstreams: { openai: 'http://127.0.0.1:9' } })
      const error = await fetch('http://127.0.0.1:9/v1').catch((e) => e)
      const deep = await import('weir-proxy/dist/app.js').catch((e) => e.code)
      console.log(error.name, deep)`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder })
    expect(stdout.trim()).toBe('TypeError ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('starts by npx, serves, and ends with 0 on SIGTERM', async () => {
    const ports = ['--listen', '127.0.0.1:0', '--operator', '127.0.0.1:0']
    const weir = spawn(
      join(folder, 'node_modules', '.bin', 'weir'),
      ['run', ...ports, '--upstream', 'up=http://127.0.0.1:9'],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const ended = new Promise<number | null>((resolve) => weir.once('exit', resolve))
    const line = await new Promise<string>((resolve) => {
      let text = ''
      weir.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        const ready = text.split('\n').find((each) => each.includes('"ready"'))
        if (ready !== undefined) resolve(ready)
      })
      void ended.then(() => resolve('{}'))
    })
    const { operator } = JSON.parse(line) as { operator?: string }
    const answer = await fetch(`http://${operator}/readyz`)
    expect(answer.status).toBe(200)
    weir.kill('SIGTERM')
    expect(await ended).toBe(0)
    const { stdout } = await run('npx', ['--no-install', 'weir-proxy', '--version'], { cwd: folder })
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(stdout.trim()).toBe(version)
  })
})
