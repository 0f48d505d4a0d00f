/** Legends: in HTML, so that they wrap, scale and can be read aloud. */
import { markup, type Markup } from './markup.ts'

export interface KeyItem {
  readonly text: string
  /** A colour of the palette: a constant of ours, never a journal's word. */
  readonly colour?: string
  readonly isLine?: boolean
  /** A letter in a circle instead of a colour. */
  readonly sign?: string
}

export function keyOf(items: readonly KeyItem[]): Markup {
  return markup`<ul class="key">
    ${items.map(
      ({ text, colour, isLine, sign }) =>
        markup`<li>
          ${
            sign === undefined
              ? markup`<i${isLine === true ? markup` class="line"` : undefined} style="background:${colour ?? ''}"></i>`
              : markup`<b class="sign" aria-hidden="true">${sign}</b>`
          }${text}
        </li>`,
    )}
  </ul>`
}
