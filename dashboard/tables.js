/** Tables whose rows live as long as what they show, and which become cards on a narrow screen. */
import { byId, element, keepRows, setAttribute, setText } from './dom.js'

/**
 * @template T
 * @typedef {object} Column
 * @property {string} label for people, and on a narrow screen beside the figure
 * @property {'text' | 'number'} kind
 * @property {string} [hint] what the figure is
 * @property {string} [card] label on a narrow screen, where no other column stands beside
 * @property {(cell: HTMLElement) => void} [build] when the cell is more than text
 * @property {(cell: HTMLElement, item: T) => void} show
 * @property {boolean} [isHead] names the row
 */

/**
 * @template T
 * @param {string} label
 * @param {(item: T) => string} read
 * @param {string} [hint]
 * @returns {Column<T>}
 */
export function figure(label, read, hint) {
  return {
    label,
    kind: 'number',
    ...(hint === undefined ? {} : { hint }),
    show: (cell, item) => setText(cell, read(item)),
  }
}

/**
 * Fills the table of that id: its head from `columns`, a first line of `groups` over it where there are any.
 * @template T
 * @param {string} id
 * @param {readonly Column<T>[]} columns
 * @param {(item: T) => string} keyOf
 * @returns {(items: readonly T[]) => void}
 */
export function liveTable(id, columns, keyOf) {
  const table = byId(id, HTMLTableElement)
  // On a narrow screen rows are laid out as cards: without the roles a browser would no longer tell of a table.
  table.setAttribute('role', 'table')
  const heads = columns.map(({ label, kind, hint }) =>
    element('th', { scope: 'col', role: 'columnheader', class: kind, title: hint }, label),
  )
  const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads))
  const body = element('tbody', { role: 'rowgroup' })
  table.replaceChildren(...table.querySelectorAll('caption'), head, body)

  const create = () => {
    const cells = columns.map(({ label, card = label, kind, isHead, build }) => {
      const cell = isHead
        ? element('th', { scope: 'row', role: 'rowheader', class: kind, 'data-label': card })
        : element('td', { role: 'cell', class: kind, 'data-label': card })
      build?.(cell)
      return cell
    })
    return element('tr', { role: 'row' }, ...cells)
  }
  /** @param {HTMLTableRowElement} row @param {T} item */
  const update = (row, item) => {
    for (const [index, column] of columns.entries()) {
      const cell = row.children[index]
      if (cell instanceof HTMLElement) column.show(cell, item)
    }
  }
  return (items) => {
    keepRows(body, items, keyOf, create, update)
    setAttribute(table, 'hidden', items.length === 0)
  }
}
