/**
 * What may be a name of an agent, a workflow or a parent: `[A-Za-z0-9._:-]{1,128}` (promises.md 36, after
 * azerozero/grob#535). Such a name is safe in a header, a log line, a metric label and a path.
 */
const LONGEST_ID = 128

const ALLOWED = new Uint8Array(128)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-') {
  ALLOWED[character.charCodeAt(0)] = 1
}

export function isIdentifier(text: string): boolean {
  const { length } = text
  if (length === 0 || length > LONGEST_ID) return false
  for (let i = 0; i < length; i++) if (ALLOWED[text.charCodeAt(i)] !== 1) return false
  return true
}
