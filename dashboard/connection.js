/**
 * Both streams of the operator's listener, and where they are: live, lost since when, or paused. A page that nobody
 * looks at has no stream: a browser allows six connections to one host, for all its tabs.
 */

/** @typedef {import('../src/admin/live-frame.ts').LiveFrame} LiveFrame */
/** @typedef {import('../src/admin/live-history.ts').LiveHistory} LiveHistory */
/** @typedef {import('../src/admin/views.ts').EventView} EventView */

/**
 * @typedef {object} Watcher
 * @property {(history: LiveHistory) => void} onHistory what was seen before; replaces what the page had
 * @property {(frame: LiveFrame) => void} onFrame
 * @property {(event: EventView, id: number) => void} onEvent
 * @property {(state: ConnectionState) => void} onState
 */

/** @typedef {{ name: 'connecting' } | { name: 'live' } | { name: 'paused' } | { name: 'lost', since: number }} ConnectionState */

/** Frames come once a second; without one for so long the stream is dead, whatever the socket says. */
const SILENCE_MS = 5000
/** The browser itself comes back after a broken connection, not after an answer that is no stream. */
const RETRY_MS = 3000

const EVENTS = [
  'condition-changed',
  'drift-started',
  'drift-ended',
  'storm-started',
  'storm-ended',
  'agent-looping',
  'workflow-narrowed',
  'probe-started',
  'probe-failed',
  'release-started',
  'release-aborted',
  'release-ended',
  'limit-changed',
  'quota-learned',
  'rule-mode-changed',
  'policies-loaded',
  'policies-refused',
  'callers-refused',
]

/**
 * @param {Watcher} watcher
 * @returns {{ toggle: () => void }} `toggle` pauses and goes on
 */
export function connect(watcher) {
  /** @type {EventSource[]} */
  let sources = []
  let isPaused = false
  let lastFrameAt = 0
  let lostSince = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry

  const lost = () => {
    if (isPaused || document.hidden) return
    if (lostSince === 0) lostSince = lastFrameAt === 0 ? Date.now() : lastFrameAt
    watcher.onState({ name: 'lost', since: lostSince })
    if (sources.every(({ readyState }) => readyState !== EventSource.CLOSED)) return
    clearTimeout(retry)
    retry = setTimeout(open, RETRY_MS)
  }

  const close = () => {
    clearTimeout(retry)
    for (const source of sources) source.close()
    sources = []
  }

  function open() {
    close()
    if (isPaused || document.hidden) return watcher.onState({ name: 'paused' })
    if (lostSince === 0) watcher.onState({ name: 'connecting' })
    const frames = new EventSource('/api/v1/live')
    const events = new EventSource('/api/v1/events')
    sources = [frames, events]
    frames.addEventListener('history', ({ data }) => watcher.onHistory(JSON.parse(data)))
    frames.addEventListener('frame', ({ data }) => {
      lastFrameAt = Date.now()
      lostSince = 0
      watcher.onState({ name: 'live' })
      watcher.onFrame(JSON.parse(data))
    })
    for (const name of EVENTS) {
      events.addEventListener(name, ({ data, lastEventId }) =>
        watcher.onEvent(JSON.parse(data), Number(lastEventId)),
      )
    }
    for (const source of sources) source.addEventListener('error', lost)
  }

  setInterval(() => {
    const isOpen = sources.length > 0
    if (isOpen && lastFrameAt > 0 && Date.now() - lastFrameAt > SILENCE_MS) lost()
  }, 1000)
  document.addEventListener('visibilitychange', open)
  open()
  return {
    toggle() {
      isPaused = !isPaused
      open()
    },
  }
}
