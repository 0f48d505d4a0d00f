/** Single keys, as the help says. They are off while a person writes, and can be switched off (WCAG 2.1.4). */

const KEY = 'weir-keys'

/**
 * @param {Readonly<Record<string, () => void>>} actions by key
 * @param {HTMLInputElement} toggle
 */
export function keyboard(actions, toggle) {
  toggle.checked = stored() !== 'off'
  toggle.addEventListener('change', () => {
    try {
      localStorage.setItem(KEY, toggle.checked ? 'on' : 'off')
    } catch {
      // Lasts as long as the page.
    }
  })
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !toggle.checked) return
    if (document.querySelector('dialog[open]') !== null) return
    const { target } = event
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
      if (target.type !== 'checkbox') return
    }
    const act = actions[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  })
}

function stored() {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}
