/** A proxy under test: a process (or several) of its own in front of one upstream. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'

export interface Target {
  readonly name: string
  readonly port: number
  readonly pid: number
  /** Prefix of every path at this target. */
  readonly prefix: string
  /** Said with every request. */
  readonly headers: Readonly<Record<string, string>>
  /** Names of the shapes that it can serve; undefined = all. */
  readonly shapes?: readonly string[] | undefined
  /** CPU time in microseconds used so far by all processes of the target. */
  cpuMicros(): number
  stop(): Promise<void>
}

/** A free port of the loopback: taken, read and given back. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a process and waits until it accepts connections on `port`. */
export async function startProcess(
  command: string,
  args: readonly string[],
  port: number,
  env: Record<string, string> = {},
): Promise<{ pid: number; stop: () => Promise<void> }> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${errors}`)))
  })
  gone.catch(() => {})
  await Promise.race([gone, accepting(port)])
  return { pid: child.pid as number, stop: () => end(child) }
}

async function accepting(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => (socket.destroy(), resolve(true)))
      socket.once('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nothing listens on port ${port} after 10 s`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await exited
  clearTimeout(timer)
}

/** User and system time of a process and all its children (nginx and haproxy fork workers), from /proc. */
export function cpuMicrosOf(pid: number): number {
  let micros = microsOf(pid)
  for (const child of childrenOf(pid)) micros += microsOf(child)
  return micros
}

const TICKS_PER_SECOND = 100

/** In nanoseconds by the scheduler where it says so, else in ticks of 10 ms. */
function microsOf(pid: number): number {
  try {
    let nanos = 0
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    }
    return nanos / 1000
  } catch {
    return ticksOf(pid) * (1_000_000 / TICKS_PER_SECOND)
  }
}

function ticksOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return 0
  }
}

/** Bytes of a process that no file backs: what it took for itself. */
export function residentBytesOf(pid: number): number {
  const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1]) * 1024
}

function childrenOf(pid: number): number[] {
  const children: number[] = []
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim()
    if (text !== '') children.push(...text.split(' ').map(Number))
  }
  return children
}
