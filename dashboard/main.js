/** The page: streams in, tables and charts out. */
import { agentTable } from './agents.js'
import { charts } from './charts.js'
import { connect } from './connection.js'
import { byId, setAttribute, setText } from './dom.js'
import { eventList } from './events.js'
import { count, span, timeOfDay } from './format.js'
import { heat } from './heat.js'
import { keyboard } from './keyboard.js'
import { policyTable } from './policies.js'
import { theme } from './theme.js'
import { upstreamTable } from './upstreams.js'
import { workflowTable } from './workflows.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveFrame} LiveFrame */

const upstreams = upstreamTable()
const agents = agentTable()
const workflows = workflowTable()
const policies = policyTable()
const events = eventList()
const lines = charts()
const retries = heat()

const status = byId('status', HTMLElement)
const pause = byId('pause', HTMLButtonElement)
const help = byId('help', HTMLDialogElement)

/** @param {LiveFrame} frame */
function show(frame) {
  upstreams(frame.upstreams)
  agents(frame.agents)
  workflows(frame.workflows)
  policies.update(frame.rules, frame.control)
  lines.add(frame)
  retries.add(frame)
  setText(byId('state', HTMLElement), frame.state)
  setText(byId('version', HTMLElement), frame.version)
  setText(byId('uptime', HTMLElement), span(frame.uptimeMs))
  setText(byId('open', HTMLElement), count(frame.open))
  setText(byId('control', HTMLElement), frame.control ? 'rules can be switched here' : 'read only')
  showKnown('agents-count', frame.agents.length, frame.agentsKnown)
  showKnown('workflows-count', frame.workflows.length, frame.workflowsKnown)
  setAttribute(byId('agents-empty', HTMLElement), 'hidden', frame.agents.length > 0)
  setAttribute(byId('agents-body', HTMLElement), 'hidden', frame.agents.length === 0)
  setAttribute(byId('workflows-empty', HTMLElement), 'hidden', frame.workflows.length > 0)
  if (frame.agents.length === 0) setText(byId('first-call', HTMLElement), firstCall(frame))
}

/** @param {string} id @param {number} shown @param {number} all */
function showKnown(id, shown, all) {
  setText(byId(id, HTMLElement), all > shown ? `${count(all)} known` : '')
}

/** What to set so that an agent comes through here. @param {LiveFrame} frame */
function firstCall({ agentsUrl, upstreams: targets }) {
  const base = agentsUrl.replace(/\/\/(0\.0\.0\.0|\[::\])/, `//${location.hostname}`)
  return targets
    .map(({ name, dialect }) => {
      if (dialect === 'openai') return `OPENAI_BASE_URL=${base}/${name}/v1`
      return dialect === 'anthropic' ? `ANTHROPIC_BASE_URL=${base}/${name}` : `${base}/${name}/…`
    })
    .join('\n')
}

const connection = connect({
  onHistory(history) {
    lines.refill(history)
    retries.refill(history)
  },
  onFrame: show,
  onEvent(event, id) {
    events.add(event, id)
    if (event.name.startsWith('polic') || event.name === 'rule-mode-changed') void policies.load()
  },
  onState(state) {
    const isStale = state.name === 'lost' || state.name === 'paused'
    setAttribute(document.documentElement, 'data-connection', state.name)
    setAttribute(byId('main', HTMLElement), 'data-stale', isStale)
    setAttribute(pause, 'aria-pressed', String(state.name === 'paused'))
    setText(
      status,
      state.name === 'lost' ? `disconnected since ${timeOfDay(state.since)}, trying again` : state.name,
    )
  },
})

pause.addEventListener('click', connection.toggle)
const toggleTheme = theme(byId('theme', HTMLButtonElement), () => {
  lines.redraw()
  retries.redraw()
})
byId('help-open', HTMLButtonElement).addEventListener('click', () => help.showModal())

/** @param {string} id */
const goTo = (id) => () => {
  const section = byId(id, HTMLElement)
  section.scrollIntoView({ block: 'start' })
  section.focus({ preventScroll: true })
}
keyboard(
  {
    '?': () => help.showModal(),
    p: connection.toggle,
    t: toggleTheme,
    l: events.toggleFrequent,
    1: goTo('upstreams'),
    2: goTo('agents'),
    3: goTo('events'),
    4: goTo('workflows'),
    5: goTo('policies'),
  },
  byId('keys', HTMLInputElement),
)
void policies.load()
