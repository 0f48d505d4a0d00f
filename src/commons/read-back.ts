/** What this room wrote itself, read again: the store gives back the text that it was given. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it wrote
export function readBack<T>(text: string): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only this room writes records, by their types
  return JSON.parse(text) as T
}
