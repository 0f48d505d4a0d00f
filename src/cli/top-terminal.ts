/**
 * The terminal of `weir top`: the alternate screen, of which only changed lines are written again, and single keys.
 * However the process ends, the terminal is as it was: every way out passes `restore`.
 */
import type { ReadStream, WriteStream } from 'node:tty'
import type { Line, Style } from './top-view.ts'

const ESCAPE = '\u001B['
const ENTER = `${ESCAPE}?1049h${ESCAPE}?25l${ESCAPE}2J`
const LEAVE = `${ESCAPE}?25h${ESCAPE}?1049l`

/** 256 colours that keep apart for most colour-blind people; the words beside them say the same. */
const SGR: Readonly<Record<Style, string>> = {
  plain: '',
  dim: '2',
  bold: '1',
  watch: '38;5;75',
  recovering: '38;5;43',
  drifting: '1;38;5;214',
  storming: '1;38;5;208',
  degraded: '1;38;5;176',
  down: '1;7',
}

export interface Terminal {
  readonly rows: number
  show(lines: readonly Line[]): void
  /** Everything again: after a resize. */
  clear(): void
  readonly restore: () => void
}

/** Takes the terminal over; `onKey` gets one key at a time, arrows as `left` and `right`. */
export function takeTerminal(
  input: ReadStream,
  output: WriteStream,
  hasColour: boolean,
  onKey: (key: string) => void,
): Terminal {
  let before: string[] = []
  let isTaken = true
  const hear = (bytes: Buffer): void => {
    for (const key of keysOf(bytes.toString())) onKey(key)
  }
  const restore = (): void => {
    if (!isTaken) return
    isTaken = false
    process.off('exit', restore)
    process.off('uncaughtException', restore)
    process.off('unhandledRejection', restore)
    input.off('data', hear)
    input.setRawMode(false)
    input.pause()
    output.write(LEAVE)
  }
  process.once('exit', restore)
  // Before whoever prints the error: on the alternate screen nobody would ever read it.
  process.prependListener('uncaughtException', restore)
  process.prependListener('unhandledRejection', restore)
  input.setRawMode(true)
  input.on('data', hear)
  output.write(ENTER)
  return {
    get rows() {
      return output.rows
    },
    show(lines) {
      if (!isTaken) return
      const next = Array.from({ length: output.rows }, (_, row) =>
        painted(lines[row] ?? [], output.columns, hasColour),
      )
      let text = ''
      for (const [row, line] of next.entries()) {
        if (line !== before[row]) text += `${ESCAPE}${row + 1};1H${line}${ESCAPE}K`
      }
      before = next
      if (text !== '') output.write(text)
    },
    clear() {
      before = []
      if (isTaken) output.write(`${ESCAPE}2J`)
    },
    restore,
  }
}

/** A line as characters, cut at `columns`. */
export function painted(line: Line, columns: number, hasColour: boolean): string {
  let left = columns
  let text = ''
  for (const span of line) {
    if (left <= 0) break
    const part = span.text.slice(0, left)
    left -= part.length
    const code = SGR[span.style]
    text += hasColour && code !== '' ? `${ESCAPE}${code}m${part}${ESCAPE}0m` : part
  }
  return hasColour ? text : text.trimEnd()
}

/** Keys in one read: letters as they are, arrows by name; other sequences are nobody's. */
export function keysOf(text: string): string[] {
  const keys: string[] = []
  // oxlint-disable-next-line no-control-regex -- terminals speak in control characters
  for (const [sequence] of text.matchAll(/\u001B\[[0-9;]*[A-Za-z~]|\u001BO[A-Z]|[\s\S]/g)) {
    if (sequence.length === 1) keys.push(sequence)
    else if (sequence.endsWith('C')) keys.push('right')
    else if (sequence.endsWith('D')) keys.push('left')
  }
  return keys
}
