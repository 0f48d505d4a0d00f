/** Rows as columns for a terminal or a pipe. */

/** Space between columns. */
const GAP = '  '
/** What agents write must not move the cursor or paint the screen of whoever reads it. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g

/** As wide as their widest cell, the last one as long as it is; lines without an end of line. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => row.map(shownText))
  const widths = (clean[0] ?? []).map((_, column) =>
    Math.max(...clean.map((row) => row[column]?.length ?? 0)),
  )
  return clean.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join(GAP)
      .trimEnd(),
  )
}

/** Text of somebody else on one line of a terminal. */
export function shownText(text: string): string {
  return text.replaceAll(CONTROL, '·')
}
