/** The findings as JSON that people can read, too: a series of numbers stands in one line. */
import type { Findings } from './findings.ts'

export function reportJson(findings: Findings): string {
  const text = JSON.stringify(findings, undefined, 2)
  return `${text.replaceAll(/\[\s+((?:-?[\d.e+]+|null)(?:,\s+(?:-?[\d.e+]+|null))*)\s+\]/g, (_, items: string) => `[${items.replaceAll(/\s+/g, ' ')}]`)}\n`
}
