import { readFileSync } from 'node:fs'

/** As package.json says it; that file stands one level above both `src` and `dist`. */
export const VERSION: string = readVersion()

function readVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const isNamed = typeof content === 'object' && content !== null && 'version' in content
  return isNamed && typeof content.version === 'string' ? content.version : '0.0.0'
}
