/**
 * HTML by template, escaped by default: whatever is put into `markup` is text, unless it is markup that came out of
 * `markup` itself. Names in a journal come from whoever called, and may be anything.
 */
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text that is markup already. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export const NOTHING = new Markup('')

type Piece = string | number | Markup | readonly Markup[] | false | undefined

export function markup(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  let text = parts[0] ?? ''
  for (const [index, piece] of pieces.entries()) text += textOf(piece) + (parts[index + 1] ?? '')
  return new Markup(text)
}

/** What no document may hold, and what turns the direction of writing: shown as a sign for "no character". */
// oxlint-disable-next-line no-control-regex
const UNSHOWN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g

/** For text and for attributes in quotes. */
export function escaped(text: string): string {
  return showable(text.replaceAll(/[&<>"']/g, (sign) => ESCAPES[sign] ?? sign))
}

/** Without characters that could hide or turn what is written. */
export function showable(text: string): string {
  return text.replaceAll(UNSHOWN, '\ufffd')
}

function textOf(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (piece instanceof Markup) return piece.text
  if (typeof piece === 'string' || typeof piece === 'number') return escaped(String(piece))
  return piece.map(({ text }) => text).join('')
}
