/** Tells a core of events by records that are made once: it keeps no reference to what it is given. */
import type { createCoordinator } from '../../core/coordinator.ts'
import type { CallSlot, Mark, Millis, Quota, Settlement, SettlementKind } from '../../core/model.ts'

/** No call has it: a mark of it tells the time and nothing else. */
const NO_CALL: CallSlot = -1

export class CoreTeller {
  readonly #core: ReturnType<typeof createCoordinator>
  readonly #sent = { kind: 'sent', call: 0, at: 0 } satisfies Mark
  readonly #chunk = { kind: 'chunk', call: 0, at: 0 } satisfies Mark
  readonly #head: Extract<Mark, { kind: 'head' }> = {
    kind: 'head',
    call: 0,
    at: 0,
    status: 0,
    streaming: false,
    retryAfterMs: -1,
    quota: undefined,
  }
  readonly #end: Settlement = {
    call: 0,
    at: 0,
    kind: 'success',
    status: 0,
    answered: false,
    bytesIn: 0,
    bytesOut: 0,
  }

  constructor(core: ReturnType<typeof createCoordinator>) {
    this.#core = core
  }

  time(at: Millis): void {
    this.sent(NO_CALL, at)
  }

  sent(call: CallSlot, at: Millis): void {
    this.#sent.call = call
    this.#sent.at = at
    this.#core.progress(this.#sent)
  }

  chunk(call: CallSlot, at: Millis): void {
    this.#chunk.call = call
    this.#chunk.at = at
    this.#core.progress(this.#chunk)
  }

  head(
    call: CallSlot,
    at: Millis,
    status: number,
    streaming: boolean,
    retryAfterMs: Millis,
    quota: Quota | undefined,
  ): void {
    const head = this.#head
    head.call = call
    head.at = at
    head.status = status
    head.streaming = streaming
    head.retryAfterMs = retryAfterMs
    head.quota = quota
    this.#core.progress(head)
  }

  end(
    call: CallSlot,
    at: Millis,
    kind: SettlementKind,
    status: number,
    answered: boolean,
    bytesIn: number,
    bytesOut: number,
  ): void {
    const end = this.#end
    end.call = call
    end.at = at
    end.kind = kind
    end.status = status
    end.answered = answered
    end.bytesIn = bytesIn
    end.bytesOut = bytesOut
    this.#core.settle(end)
  }
}
