/** The first line of every file. */
import { JOURNAL_VERSION, type HeaderLine } from './line.ts'

/** @param startedAt wall clock in ms at the zero of the run's instants */
export function headerLine(
  facts: Omit<HeaderLine, 'kind' | 'version' | 'startedAt'>,
  startedAt: number,
): HeaderLine {
  return { kind: 'journal', version: JOURNAL_VERSION, startedAt: new Date(startedAt).toISOString(), ...facts }
}
