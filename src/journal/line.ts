/**
 * The journal: newline-delimited JSON, one object per line, metadata only. The first line of every file is a header;
 * each call is one line, written when it has ended; between them stand the other things that the core was told and
 * what it announced. Documented for users in docs/journal.md. Unknown fields are to be ignored by readers: a minor
 * addition does not raise the version.
 *
 * Times are ms since the header's `startedAt`, rounded to the microsecond; the core itself was given the rounded
 * instant, so that a replay sees exactly what the live run saw. `order` numbers everything that the core was told:
 * two inputs of one instant are replayed as they came.
 *
 * What is told as ms since `at` becomes the core's own number again by `instantAfter` (`instant.ts`), not by `+`:
 * a sum of two rounded doubles is not always the rounded sum. `statusAtHead` and `statusAtEnd` (`status.ts`) give the
 * statuses that the core was told.
 */
import type {
  CallSlot,
  EventName,
  Millis,
  Outcome,
  Priority,
  Reason,
  SettlementKind,
  Trust,
  VerdictKind,
} from '../core/model.ts'

export const JOURNAL_VERSION = 1

export interface HeaderLine {
  readonly kind: 'journal'
  readonly version: number
  /** Who wrote it: `weir 0.1.0`, `import:har`, `import:otlp`. */
  readonly source: string
  /** RFC 3339; the zero of every `at`. */
  readonly startedAt: string
  /** Names by the core's index. */
  readonly upstreams: readonly string[]
  /** Number of this file in its run, from 1. A run that starts at a later part cannot be replayed exactly. */
  readonly part: number
  /** Random id of the run: parts of one run belong together. */
  readonly run: string
  /** Present when the lines hold all that the core was told; absent for imports. */
  readonly core?: { readonly seed: number; readonly agents: number; readonly workflows: number }
  /** Digest of the policies in force at the start. */
  readonly policies?: string
  /** Agent, workflow and parent ids are keyed hashes. */
  readonly hashedIds: boolean
}

/** A verdict as it was taken; `shadow` is what a rule in shadow mode would have done. */
export interface JournalVerdict {
  readonly do: VerdictKind
  readonly reason: Reason
  /** Name of the rule that decided; absent = none did. */
  readonly rule?: string
  readonly shadow?: { readonly do: VerdictKind; readonly reason: Reason; readonly rule?: string }
}

export interface CallLine {
  readonly kind: 'call'
  /** `weir-call-id`; importers make one. */
  readonly id: string
  readonly at: Millis
  /**
   * Order of the arrival, then of sent, head and end, where they happened: `sentMs`, `headMs` and `settled` say
   * whether they did. A call that the core itself ended (shed, deferred, expired) has no end here.
   */
  readonly order: readonly number[]
  readonly slot: CallSlot
  readonly upstream: string
  /** The member of the upstream's group that it went to, when another. */
  readonly member?: string
  readonly agent: string
  readonly trust: Trust
  readonly workflow?: string
  readonly parent?: string
  readonly method: string
  /** Folded path template; segments that are not plain words are keyed hashes (`~1f3a9c`) unless paths are kept. */
  readonly route: string
  /** Path as the rules see it; only with `journal.paths: true`. */
  readonly path?: string
  readonly priority: Priority
  readonly family: string
  readonly bytes: number
  readonly patienceMs?: Millis
  /** Header proof of the attempt number; absent = no proof. */
  readonly attempt?: number
  /** Keyed hashes with which the core tells retries and credentials apart; never reversible without the run's key. */
  readonly fingerprint: number
  readonly onceKey?: number
  readonly credential?: number
  /** True flags of the arrival only. */
  readonly longLived?: true
  readonly holdable?: true
  readonly deferrable?: true

  readonly verdict: JournalVerdict
  /** ms that it was held; absent = not held. */
  readonly heldMs?: Millis
  /** How the core ended the hold, and when (ms since `at`); absent = it did not: the client left, or Weir gave up. */
  readonly hold?: { readonly do: 'release' | 'expire'; readonly reason: Reason; readonly ms: Millis }
  /** When the core asked this caller back, ms since `at`: of a refusal, or of advice put on an answer. */
  readonly slotMs?: Millis
  /** Why Weir refused what the core had let in: no memory to hold its body, for one. */
  readonly refusal?: Reason
  /** ms since `at`: sent upstream, head of the answer received, end. Absent = did not happen. */
  readonly sentMs?: Millis
  readonly headMs?: Millis
  readonly endMs: Millis
  /** Sent once more, over another connection: flat, [order, ms, ...]. */
  readonly resent?: readonly number[]
  /** Status of the answer that the client got; 0 = none. */
  readonly status: number
  /** Status of the upstream's head, when it is not `status`. */
  readonly upstreamStatus?: number
  /** Status that the core was told at the end, when it does not follow from the two above. */
  readonly settledStatus?: number
  readonly streaming?: true
  /**
   * ms since `at` of every mark of a chunk that the core was told, with its order, flat: [order, ms, ...]. Of a long
   * stream only the last ones: those before are in `marks` lines.
   */
  readonly chunks?: readonly number[]
  readonly retryAfterMs?: Millis
  readonly quota?: { readonly limit: number; readonly remaining: number; readonly resetMs: Millis }
  /** How the upstream attempt ended; absent = nothing was sent and nothing waited. */
  readonly settled?: SettlementKind
  readonly answered?: true
  readonly outcome: Outcome
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What else the core was told: the instants of its ticks (flat: [order, at, ...]), and rare inputs. */
export interface TicksLine {
  readonly kind: 'ticks'
  readonly ticks: readonly number[]
}
/** Marks of chunks of one long stream that is still open, flat: [order, at, ...]. */
export interface MarksLine {
  readonly kind: 'marks'
  readonly slot: CallSlot
  readonly marks: readonly number[]
}
export interface InputLine {
  readonly kind: 'input'
  readonly order: number
  readonly at: Millis
  /** `touch`: word of a call that was over already, of which the core took only the time. */
  readonly input: 'adopt' | 'drain' | 'pressure' | 'touch' | 'summary' | 'learn' | 'callers' | 'learn-callers'
  /**
   * adopt: digest of the policies; drain: until; pressure: level; touch: 0; summary: index of the upstream, which the
   * core was asked to sum up for other replicas; learn: what these said, as JSON of `heard-words.ts`; callers: 0, asked
   * to sum up its callers; learn-callers: what these said of theirs.
   */
  readonly value: number | string
}

/** An event of coordination, as announced. */
export interface EventLine {
  readonly kind: 'event'
  readonly at: Millis
  readonly name: EventName
  readonly upstream: string
  readonly agent?: string
  readonly workflow?: string
  readonly from?: string
  readonly to?: string
  readonly readings: Readonly<Record<string, number | null>>
}

/** Lines that could not be written: a full disk, or a writer that fell behind. */
export interface GapLine {
  readonly kind: 'gap'
  readonly at: Millis
  readonly dropped: number
}

export type JournalLine = HeaderLine | CallLine | TicksLine | MarksLine | InputLine | EventLine | GapLine
