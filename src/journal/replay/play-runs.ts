/** A journal's lines, run by run: restarts of Weir within one folder are told apart by the headers. */
import type { HeaderLine, JournalLine } from '../line.ts'
import { LinePacker, NameList, type PackedLines } from './packed-lines.ts'
import { RunReplay, type OtherLine, type Player, type RunLimits } from './run-replay.ts'

/** Batches as they are read, or as another thread has packed them. */
export type ReplayLines = AsyncIterable<readonly JournalLine[] | PackedLines>

export interface RunListener {
  /** A run begins. @returns who plays it, and how many playbacks leave each of its rows */
  begin(header: HeaderLine, run: RunReplay): { readonly player: Player; readonly users: number }
  /** All of it was played. */
  end(header: HeaderLine, run: RunReplay): void
  /** Nothing more is wanted: the reading stops. */
  readonly isDone?: boolean
}

/** There was nothing to play. */
export class NoRunError extends Error {
  override readonly name = 'NoRunError'

  constructor() {
    super('the journal holds no run: no header line was read')
  }
}

/** @throws what `lines` throws; NoRunError */
export async function playRuns(lines: ReplayLines, listener: RunListener, limits?: RunLimits): Promise<void> {
  const packer = new LinePacker()
  const runs = new Runs(listener, limits)
  for await (const batch of lines) {
    runs.take('calls' in batch ? batch : packer.pack(batch))
    if (listener.isDone === true) return
  }
  runs.end()
}

class Runs {
  readonly #listener: RunListener
  readonly #limits: RunLimits | undefined
  readonly #names = new NameList()
  #header: HeaderLine | undefined
  #run: RunReplay | undefined

  constructor(listener: RunListener, limits: RunLimits | undefined) {
    this.#listener = listener
    this.#limits = limits
  }

  take(packed: PackedLines): void {
    this.#names.learn(packed)
    const { others, rare } = packed
    const ids = packed.ids.split('\n')
    let [other, fields] = [0, 0]
    for (let call = 0; call <= packed.calls; call++) {
      for (; others[other]?.[0] === call; other++) this.#other(others[other]![1])
      if (call === packed.calls) break
      const own = rare[fields]?.[0] === call ? rare[fields++]![1] : undefined
      this.#run?.takeCall(packed, call, ids[call]!, this.#names, own)
    }
    this.#run?.play()
  }

  end(): void {
    if (this.#header === undefined) throw new NoRunError()
    this.#endRun()
  }

  #other(line: JournalLine): void {
    if (line.kind === 'journal' && line.run !== this.#header?.run) this.#begin(line)
    else if (line.kind !== 'call') this.#run?.take(line satisfies OtherLine)
  }

  #begin(header: HeaderLine): void {
    this.#endRun()
    const run = new RunReplay(header, this.#limits)
    const { player, users } = this.#listener.begin(header, run)
    run.start(player, users)
    this.#header = header
    this.#run = run
  }

  #endRun(): void {
    if (this.#header === undefined || this.#run === undefined) return
    this.#run.finish()
    this.#listener.end(this.#header, this.#run)
  }
}
