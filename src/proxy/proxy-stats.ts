/** What the data path counts for itself, in plain numbers: incremented where it happens, read on a scrape. */
export interface ProxyStats {
  /** Client connections now. */
  connections: number
  connectionsAccepted: number
  /** Closed at once for being more than the limit. */
  connectionsDropped: number
  /** Calls now between their arrival and their end. */
  openCalls: number
  /** Upgraded connections now. */
  upgrades: number
  /** Answers given before a call exists, by status. */
  readonly refused: Record<number, number>
  /** Calls whose client left while they were at the upstream. */
  clientGone: number
  connectRetries: number
  firstByteTimeouts: number
  idleTimeouts: number
  bodyTimeouts: number
  slowReaders: number
  /** Request body bytes of held calls, now. */
  heldBytes: number
  held: number
  /** Handshakes that failed, or were not done in time. */
  tlsFailures: number
  /** HTTP/2 connections now. */
  http2Sessions: number
  /** HTTP/2 connections that were ended because they opened and reset streams in a flood. */
  http2Floods: number
}

export function createProxyStats(): ProxyStats {
  return {
    connections: 0,
    connectionsAccepted: 0,
    connectionsDropped: 0,
    openCalls: 0,
    upgrades: 0,
    refused: {},
    clientGone: 0,
    connectRetries: 0,
    firstByteTimeouts: 0,
    idleTimeouts: 0,
    bodyTimeouts: 0,
    slowReaders: 0,
    heldBytes: 0,
    held: 0,
    tlsFailures: 0,
    http2Sessions: 0,
    http2Floods: 0,
  }
}
