/**
 * All the script of the page: a switch between light and dark, and columns that sort. Nothing needs it to be read.
 * It is one text so that the page's policy can name its hash, and forbid any other.
 */
import { createHash } from 'node:crypto'

export const SCRIPT = `(() => {
  const root = document.documentElement
  const button = document.querySelector('button.theme')
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  const show = () => { button.textContent = isDark() ? 'Light' : 'Dark'; button.setAttribute('aria-pressed', String(isDark())) }
  button.hidden = false
  button.addEventListener('click', () => { root.dataset.theme = isDark() ? 'light' : 'dark'; show() })
  show()
  const valueOf = (row, index) => {
    const cell = row.cells[index]
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value)
  }
  for (const table of document.querySelectorAll('table[data-sortable]')) {
    for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
      const sort = document.createElement('button')
      sort.type = 'button'
      sort.append(...head.childNodes)
      head.append(sort)
      sort.addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') !== 'descending'
        for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort')
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
        const body = table.tBodies[0]
        const rows = [...body.rows].sort((a, b) => {
          const one = valueOf(a, index), two = valueOf(b, index)
          const order = typeof one === 'number' && typeof two === 'number' ? one - two : String(one).localeCompare(String(two))
          return down ? -order : order
        })
        body.append(...rows)
      })
    }
  }
})()`

/** Content-Security-Policy of the page: no network at all, and no script but this one. */
export function pagePolicy(): string {
  const digest = createHash('sha256').update(SCRIPT).digest('base64')
  return `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`
}
