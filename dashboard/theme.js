/** Light or dark: the system's choice until a person makes one, which this browser remembers. */
import { setAttribute } from './dom.js'

const KEY = 'weir-theme'
const dark = matchMedia('(prefers-color-scheme: dark)')

/**
 * @param {HTMLButtonElement} button
 * @param {() => void} onChange canvases have to be drawn again
 * @returns {() => void} switches
 */
export function theme(button, onChange) {
  let chosen = read()
  const apply = () => {
    const now = chosen ?? (dark.matches ? 'dark' : 'light')
    setAttribute(document.documentElement, 'data-theme', now)
    setAttribute(button, 'aria-pressed', String(now === 'dark'))
    onChange()
  }
  const toggle = () => {
    chosen = document.documentElement.dataset['theme'] === 'dark' ? 'light' : 'dark'
    try {
      localStorage.setItem(KEY, chosen)
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    apply()
  }
  dark.addEventListener('change', apply)
  button.addEventListener('click', toggle)
  apply()
  return toggle
}

function read() {
  try {
    const value = localStorage.getItem(KEY)
    return value === 'dark' || value === 'light' ? value : undefined
  } catch {
    return undefined
  }
}

/** A colour of the style sheet, for canvases. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
