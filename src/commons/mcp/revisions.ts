/** Revisions of the Model Context Protocol that the face speaks. */

/** No handshake: each request says its revision and what its client can do (spec 2026-07-28, basic/versioning). */
export const STATELESS = '2026-07-28'
/** With `initialize`; by the official SDK. */
const WITH_HANDSHAKE = ['2025-11-25', '2025-06-18'] as const

/** The newest first. */
export const REVISIONS = [STATELESS, ...WITH_HANDSHAKE] as const
