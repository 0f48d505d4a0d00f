/** Conditions as a shape, a word and a colour: any one of the three is enough to tell them apart. */
import { element, setAttribute, setText } from './dom.js'

/** Upstreams', agents' and workflows' conditions by how much they should catch the eye. */
const LOOK = new Map([
  ['healthy', ['○', 'calm', 'answers as it usually does']],
  ['watch', ['◔', 'watch', 'something moved; not enough to act on']],
  ['recovering', ['◑', 'recovering', 'well again, opening step by step']],
  ['drifting', ['▲', 'drifting', 'slower (or faster) than its own healthy reference']],
  ['storming', ['◆', 'storming', 'distinct agents retry together']],
  ['degraded', ['■', 'degraded', 'slow or failing, and calls pile up']],
  ['down', ['✕', 'down', 'answers nothing; one probe at a time']],
  ['ordinary', ['○', 'calm', '']],
  ['retrying', ['▲', 'drifting', 'repeats calls that failed']],
  ['looping', ['◆', 'storming', 'repeats calls that do not succeed, in circles']],
  ['wide', ['◔', 'watch', 'wider than workflows of its kind usually are']],
  ['amplified', ['▲', 'drifting', 'makes far more calls than its kind']],
  ['exploding', ['◆', 'storming', 'still growing, far beyond its kind']],
  ['over-budget', ['■', 'degraded', 'has spent its budget of calls']],
])

/** In the order of severity, as `LiveHistory` numbers them. */
export const CONDITIONS = ['healthy', 'watch', 'recovering', 'drifting', 'storming', 'degraded', 'down']

export function conditionMark() {
  return element(
    'span',
    { class: 'condition' },
    element('span', { class: 'glyph', 'aria-hidden': 'true' }),
    element('span', { class: 'word' }),
  )
}

/**
 * @param {Element} mark
 * @param {string} condition
 */
export function showCondition(mark, condition) {
  const [glyph = '?', look = 'calm', meaning = ''] = LOOK.get(condition) ?? []
  const [shape, word] = mark.children
  if (shape !== undefined) setText(shape, glyph)
  if (word !== undefined) setText(word, condition)
  setAttribute(mark, 'data-look', look)
  setAttribute(mark, 'title', meaning)
}
