/**
 * The events of a journal as references: the low bits say what it is, the rest of which call. As bits of a byte they
 * say what of a call was played.
 */
export const ARRIVED = 0
export const SENT = 1
export const HEAD = 2
export const CHUNK = 3
export const ENDED = 4
/** The rest is the slot of the call in the live run: the call itself is known only when it has ended. */
export const MARK = 5
/** The rest is a number of the reader's. */
export const INPUT = 6
/** The rest is TICKED or TOUCHED. */
export const TIME = 7

export const EVENT_BITS = 3
export const EVENT_MASK = (1 << EVENT_BITS) - 1

export const TICKED = (0 << EVENT_BITS) | TIME
/** The core was told of a call that was over: it took nothing from it but the time. */
export const TOUCHED = (1 << EVENT_BITS) | TIME
