/**
 * The rules in the order in which they are asked, how often each decided, and, where the config allows it, a switch
 * between watching and acting. The switch is asked about twice, and lasts until the next reload.
 */
import { byId, element, setAttribute, setText } from './dom.js'
import { count } from './format.js'
import { liveTable } from './tables.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveRule} LiveRule */
/** @typedef {import('../src/core/model.ts').Mode} Mode */
/**
 * @typedef {object} Rule as `/api/v1/policies` tells it
 * @property {string} id
 * @property {string} place
 * @property {string} description
 * @property {Mode} mode
 * @property {Mode} fileMode
 * @property {boolean} override
 * @property {object} match
 * @property {object} when
 * @property {Readonly<Record<string, unknown>>} action
 * @property {LiveRule['hits']} hits
 */
/** @typedef {{ files: string[], reloadFailed: boolean, problems: string[], loadedAt: string, rules: Rule[] }} Policies */

/** @typedef {(rule: Rule, mode: Mode) => Promise<void>} Change asks, switches, reads again */

/** @type {readonly Mode[]} */
const MODES = ['off', 'shadow', 'enforce']

const MEANING = {
  off: 'the rule sleeps',
  shadow: 'it decides and is counted, and every call passes untouched',
  enforce: 'it acts: calls may be held, deferred or refused',
}

/** @returns {{ load(): Promise<void>, update(rules: readonly LiveRule[], control: boolean): void }} */
export function policyTable() {
  const problems = byId('policies-problems', HTMLElement)
  const empty = byId('policies-empty', HTMLElement)
  const note = byId('policies-note', HTMLElement)
  let mayControl = false
  /** @type {Rule[]} */
  let rules = []
  let asked = 0

  /** @type {Change} */
  const change = async (rule, mode) => {
    if (await confirmed(rule, mode)) setText(note, await switchMode(rule.id, mode))
    await load()
  }
  const show = liveTable(
    'policies-table',
    columns(() => mayControl, change),
    (rule) => rule.id,
  )
  const draw = () => {
    show(rules)
    setAttribute(empty, 'hidden', rules.length > 0)
  }

  async function load() {
    asked += 1
    const mine = asked
    const answer = await fetch('/api/v1/policies')
    /** @type {Policies} */
    const policies = await answer.json()
    if (mine !== asked || !answer.ok) return
    rules = policies.rules
    setText(problems, policies.problems.join('\n'))
    setAttribute(problems, 'hidden', !policies.reloadFailed)
    draw()
  }

  return {
    load: () =>
      load().catch(() => setText(note, 'The policies could not be read; they are asked for again.')),
    update(live, control) {
      const current = new Map(live.map((rule) => [rule.id, rule]))
      const isKnown = live.length === rules.length && rules.every(({ id }) => current.has(id))
      if (!isKnown) void load().catch(() => {})
      mayControl = control
      rules = rules.map((rule) => ({ ...rule, ...current.get(rule.id) }))
      draw()
    },
  }
}

/**
 * @param {() => boolean} mayControl
 * @param {Change} change
 * @returns {import('./tables.js').Column<Rule>[]}
 */
function columns(mayControl, change) {
  return [
    {
      label: 'Rule',
      kind: 'text',
      isHead: true,
      build: (cell) => cell.append(element('span', { class: 'id' }), element('span', { class: 'note' })),
      show(cell, { id, description }) {
        const [name, what] = cell.children
        if (name !== undefined) setText(name, id)
        if (what !== undefined) setText(what, description)
      },
    },
    {
      label: 'Mode',
      kind: 'text',
      build: (cell) => cell.append(element('span', { class: 'mode' }), element('span', { class: 'note' })),
      show(cell, rule) {
        const [holder, origin] = cell.children
        if (holder instanceof HTMLElement) showMode(holder, rule, mayControl(), change)
        if (origin !== undefined) setText(origin, rule.override ? `file says ${rule.fileMode}` : '')
      },
    },
    { label: 'When', kind: 'text', show: (cell, rule) => setText(cell, conditionText(rule)) },
    { label: 'Then', kind: 'text', show: (cell, { action }) => setText(cell, actionText(action)) },
    {
      label: 'Acted',
      kind: 'number',
      hint: 'calls that it held, shed or deferred, since the policies were loaded; counted when a call ends',
      show: (cell, { action, hits }) =>
        setText(cell, decides(action) ? count(hits.held + hits.shed + hits.deferred) : '–'),
    },
    {
      label: 'Would have',
      kind: 'number',
      hint: 'calls that it would have held, shed or deferred in enforce mode',
      show: (cell, { action, hits }) =>
        setText(cell, decides(action) ? count(hits.wouldHold + hits.wouldShed + hits.wouldDefer) : '–'),
    },
    {
      label: 'Let pass',
      kind: 'number',
      hint: 'calls that it decided about and that had room',
      show: (cell, { action, hits }) => setText(cell, decides(action) ? count(hits.passed) : '–'),
    },
    { label: 'Defined in', card: 'File', kind: 'text', show: (cell, { place }) => setText(cell, place) },
  ]
}

/** A rule that only sets limits, caps or a priority takes part in a call and does not decide it. @param {Rule['action']} action */
function decides(action) {
  return typeof action['do'] === 'string'
}

/**
 * @param {HTMLElement} holder
 * @param {Rule} rule
 * @param {boolean} mayControl
 * @param {Change} change
 */
function showMode(holder, rule, mayControl, change) {
  setAttribute(holder, 'data-mode', rule.mode)
  if (!mayControl) return setText(holder, rule.mode)
  if (!(holder.firstElementChild instanceof HTMLFieldSetElement)) {
    const buttons = MODES.map((mode) =>
      element('button', { type: 'button', 'data-mode': mode, title: MEANING[mode] }, mode),
    )
    holder.replaceChildren(
      element('fieldset', {}, element('legend', { class: 'unseen' }, `Mode of ${rule.id}`), ...buttons),
    )
    holder.addEventListener('click', (event) => {
      const button = event.target instanceof Element ? event.target.closest('button') : null
      const mode = MODES.find((known) => known === button?.dataset['mode'])
      const now = holder.dataset['mode']
      if (mode !== undefined && mode !== now) void change(rule, mode).catch(() => {})
    })
  }
  for (const button of holder.querySelectorAll('button')) {
    setAttribute(button, 'aria-pressed', String(button.dataset['mode'] === rule.mode))
  }
}

/** @param {Rule} rule @param {Mode} mode @returns {Promise<boolean>} */
function confirmed({ id, fileMode, action }, mode) {
  const dialog = byId('confirm', HTMLDialogElement)
  setText(byId('confirm-title', HTMLElement), `Switch ${id} to ${mode}?`)
  setText(byId('confirm-what', HTMLElement), `In ${mode} ${mode === 'off' ? '' : 'mode '}${MEANING[mode]}.`)
  setText(byId('confirm-then', HTMLElement), `Its action: ${actionText(action)}.`)
  setText(
    byId('confirm-until', HTMLElement),
    mode === fileMode
      ? 'This is what its file says.'
      : `Its file says ${fileMode}: that holds again at the next reload of the policies, or a restart.`,
  )
  setText(byId('confirm-yes', HTMLElement), `Switch to ${mode}`)
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

/** @param {string} id @param {Mode} mode @returns {Promise<string>} what became of it */
async function switchMode(id, mode) {
  try {
    const answer = await fetch(`/api/v1/policies/rules/${encodeURIComponent(id)}/mode`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'weir-control': '1' },
      body: JSON.stringify({ mode }),
    })
    const told = await answer.json()
    return answer.ok ? `${id} is in ${told.mode} mode.` : `${id} stays as it is: ${told.detail}`
  } catch {
    return `${id}: no answer, look at the mode before you try again.`
  }
}

/** @param {Rule} rule */
function conditionText({ match, when }) {
  const parts = [...Object.entries(match), ...Object.entries(when)]
  return parts.length === 0
    ? 'always'
    : parts.map(([key, value]) => `${key}: ${valueText(value)}`).join(' · ')
}

/** @param {Rule['action']} action */
function actionText(action) {
  return Object.entries(action)
    .map(([key, value]) => (key === 'do' ? String(value) : `${key} ${valueText(value)}`))
    .join(' · ')
}

/** @param {unknown} value @returns {string} */
function valueText(value) {
  if (Array.isArray(value)) return value.map(valueText).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, inner]) => `${key} ${valueText(inner)}`)
    .join(' ')
}
