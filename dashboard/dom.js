/** The document: everything that comes from outside becomes text or an attribute, never markup. */

/** @typedef {string | number | Node | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string | number | boolean | undefined>>} [attributes] true = present, false and undefined = absent
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value)
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    node.append(child instanceof Node ? child : String(child))
  }
  return node
}

/**
 * Touches the document only when there is something to change.
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean | undefined} value
 */
export function setAttribute(node, name, value) {
  if (value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name)
    return
  }
  const text = value === true ? '' : String(value)
  if (node.getAttribute(name) !== text) node.setAttribute(name, text)
}

/**
 * @param {Node} node
 * @param {string | number} text
 */
export function setText(node, text) {
  const next = String(text)
  if (node.textContent !== next) node.textContent = next
}

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const node = document.getElementById(id)
  if (!(node instanceof kind)) throw new TypeError(`#${id} is not a ${kind.name}`)
  return node
}

/**
 * Rows that keep their element while they keep their key; those that left are removed.
 * @template T
 * @template {Element} R
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => R} create
 * @param {(row: R, item: T) => void} update
 */
export function keepRows(parent, items, keyOf, create, update) {
  /** @type {Map<string, R>} */
  const known = rowsOf.get(parent) ?? new Map()
  rowsOf.set(parent, known)
  const keys = new Set(items.map(keyOf))
  for (const [key, row] of known) {
    if (keys.has(key)) continue
    row.remove()
    known.delete(key)
  }
  let at = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let row = known.get(key)
    if (row === undefined) {
      row = create(item)
      known.set(key, row)
    }
    update(row, item)
    if (row === at) at = row.nextElementSibling
    else parent.insertBefore(row, at)
  }
}

/** @type {WeakMap<Element, Map<string, any>>} */
const rowsOf = new WeakMap()
