/** A name that fits: the end of an identifier tells more than its middle. */
export function shortName(name: string, most: number): string {
  if (name.length <= most) return name
  const tail = Math.max(2, Math.floor(most * 0.4))
  return `${name.slice(0, most - tail - 1)}…${name.slice(-tail)}`
}
