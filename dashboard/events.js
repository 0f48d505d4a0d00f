/** What happened, newest first: a sentence each, with the figures that decided. */
import { byId, element, setAttribute, setText } from './dom.js'
import { timeOfDay } from './format.js'

/** @typedef {import('../src/admin/views.ts').EventView} EventView */

/** Kept on the page. */
const MOST = 200
/** Follow every move of an upstream that is not well: shown on demand. */
const FREQUENT = new Set(['limit-changed', 'quota-learned'])

/** How much an event should catch the eye; the words say the same. @param {EventView} event */
function lookOf({ name, to }) {
  if (name === 'condition-changed') return to ?? 'calm'
  if (name === 'storm-started' || name === 'agent-looping' || name === 'workflow-narrowed') return 'storming'
  if (name === 'drift-started' || name === 'policies-refused') return 'drifting'
  if (name === 'probe-started' || name === 'probe-failed' || name === 'release-aborted') return 'degraded'
  if (name === 'release-started') return 'recovering'
  return name === 'rule-mode-changed' ? 'watch' : 'calm'
}

/** @returns {{ add: (event: EventView, id: number) => void, toggleFrequent: () => void }} */
export function eventList() {
  const list = byId('events-list', HTMLOListElement)
  const empty = byId('events-empty', HTMLElement)
  const frequent = byId('events-frequent', HTMLInputElement)
  const body = byId('events-body', HTMLElement)
  const number = byId('events-count', HTMLElement)
  let newest = 0
  let newestTime = ''

  const apply = () => setAttribute(list, 'data-frequent', frequent.checked ? 'shown' : 'hidden')
  frequent.addEventListener('change', apply)
  apply()
  return {
    add(event, id) {
      // A new stream begins with what the process remembers; a restarted process counts from 1 again, later.
      if (id <= newest && event.time <= newestTime) return
      newest = id
      newestTime = event.time
      list.prepend(itemOf(event))
      while (list.children.length > MOST) list.lastElementChild?.remove()
      setAttribute(empty, 'hidden', true)
      setAttribute(body, 'hidden', false)
      setText(number, `last ${list.children.length}`)
    },
    toggleFrequent() {
      frequent.checked = !frequent.checked
      apply()
    },
  }
}

/** @param {EventView} event */
function itemOf(event) {
  const kind = FREQUENT.has(event.name) ? 'frequent' : 'plain'
  const where = event.upstream === '' ? 'policies' : event.upstream
  return element(
    'li',
    { 'data-event': event.name, 'data-kind': kind, 'data-look': lookOf(event) },
    element('time', { datetime: event.time }, timeOfDay(new Date(event.time))),
    element('span', { class: 'where' }, where),
    element('span', { class: 'what' }, event.text ?? event.name),
  )
}
