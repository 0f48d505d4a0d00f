/** How a kind of word is written and read; `link.ts` and `roster.ts` know no more of what is said. */
export interface WordFormat<S> {
  write(summary: S, sequence: number): Uint8Array
  /** Undefined = another format, or no word at all; never throws. */
  read(word: Uint8Array): { readonly sequence: number; readonly summary: S } | undefined
  /** The number of a word, without the rest; -1 = another format. */
  sequenceOf(word: Uint8Array): number
}
