/**
 * The class of an agent: its name with what tells instances apart folded away, so that `worker-17` and
 * `worker-4`, `planner.3f9a8c21` and `planner.77aa01bd` are of one kind. From the end of the name, words that are
 * a number or a run of hex go; then the digits at the end of the last word that stays.
 */
const SEPARATORS = new Set(['-', '_', '.', ':'])
const NUMBER = /^\d+$/u
/** Four or more with a digit among them, as in a UUID: `facade` is a word, `3f9a` an id. */
const HEX_RUN = /^(?=.*\d)[0-9a-f]{4,}$/iu

export function agentClass(name: string): string {
  let end = name.length
  while (end > 0) {
    const start = lastWord(name, end)
    const word = name.slice(start, end)
    if (!NUMBER.test(word) && !HEX_RUN.test(word)) break
    end = Math.max(0, start - 1)
  }
  while (end > 0 && isDigit(name.charCodeAt(end - 1))) end -= 1
  return end === name.length ? name : `${name.slice(0, end)}*`
}

function lastWord(name: string, end: number): number {
  let start = end
  while (start > 0 && !SEPARATORS.has(name.charAt(start - 1))) start -= 1
  return start
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
