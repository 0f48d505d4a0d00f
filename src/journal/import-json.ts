/** Foreign JSON, read with suspicion: whatever is not as it must be gets one error with its place in the file. */

/** `message` is what to print: the file, the place in it, and what is wrong. */
export class ImportError extends Error {
  override readonly name = 'ImportError'

  constructor(file: string, place: string, reason: string) {
    super(`${file}: ${place === '' ? '' : `${place}: `}${reason}`)
  }
}

/** @throws ImportError with line and column */
export function parseForeign(file: string, text: string): ForeignValue {
  return new ForeignValue(file, '', parsed(file, text, 1))
}

/** One JSON value per line, as log files have it. @throws ImportError with line and column */
export function parseForeignLines(file: string, text: string): ForeignValue[] {
  const values: ForeignValue[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '')
      values.push(new ForeignValue(file, `line ${index + 1}`, parsed(file, line, index + 1)))
  }
  return values
}

function parsed(file: string, text: string, firstLine: number): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    const at = Number(
      /position (\d+)/.exec(message)?.[1] ?? (message.includes('end of JSON') ? text.length : 0),
    )
    const before = text.slice(0, at)
    const line = firstLine + before.split('\n').length - 1
    throw new ImportError(file, `${line}:${at - before.lastIndexOf('\n')}`, 'not JSON from here on')
  }
}

/** A value and where it stands. */
export class ForeignValue {
  readonly #file: string
  readonly place: string
  readonly value: unknown

  constructor(file: string, place: string, value: unknown) {
    this.#file = file
    this.place = place
    this.value = value
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null
  }

  fail(reason: string): never {
    throw new ImportError(this.#file, this.place, reason)
  }

  /** The value of a key; of no object, nothing. */
  get(key: string): ForeignValue {
    const { value, place } = this
    const inner: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
    return new ForeignValue(this.#file, place === '' ? key : `${place}.${key}`, inner)
  }

  /** The items of a list; of nothing, none. @throws ImportError */
  list(): ForeignValue[] {
    if (!this.isThere) return []
    if (!Array.isArray(this.value)) this.fail('must be a list')
    return this.value.map((item, index) => new ForeignValue(this.#file, `${this.place}[${index}]`, item))
  }

  /** @throws ImportError */
  text(): string {
    return typeof this.value === 'string' ? this.value : this.fail('must be text')
  }

  textOr(fallback: string): string {
    return typeof this.value === 'string' ? this.value : fallback
  }

  /** Numbers may be written as text, as OTLP does with 64 bits. */
  numberOr(fallback: number): number {
    const { value } = this
    const number = typeof value === 'string' && value !== '' ? Number(value) : value
    return typeof number === 'number' && Number.isFinite(number) ? number : fallback
  }
}
