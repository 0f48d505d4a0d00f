import type { ChaosReport } from './chaos.ts'

/** The report for people. */
export function chaosText(report: ChaosReport): string {
  const { endings, memory, violations, faults } = report
  const rows = [
    `chaos: ${report.minutes} min, seed ${report.seed}`,
    `calls        ${report.calls}: ${counts(endings)}`,
    `by Weir      ${counts(report.reasons)}`,
    `faults       ${counts(faults)}`,
    `waits        head ${report.longestHeadMs} ms (bound ${report.headBoundMs}), body gap ${report.longestGapMs} ms (bound ${report.gapBoundMs}), over ${report.overBoundMs} ms`,
    `operator     slowest answer ${report.operatorSlowestMs} ms`,
    `sent         at most ${report.mostTimes} time(s)`,
    `memory       ${memory.fromMiB} to ${memory.toMiB} MiB, ${memory.slopeMiBPerMinute} MiB/min over ${memory.overMinutes} min; open files ${memory.openFiles}`,
    `violations   ${report.violationCount}`,
    ...violations.map((violation) => `  - ${violation}`),
  ]
  return `${rows.join('\n')}\n`
}

function counts(list: Readonly<Record<string, number>>): string {
  return Object.entries(list)
    .filter(([, count]) => count > 0)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
