/** `weir handoffs WORKFLOW`: what was handed from whom to whom in a workflow, when, and why. */
import { Command } from 'commander'
import { answering, askCommons, withCommonsOptions, type CommonsFlags } from './commons-client.ts'
import { columns } from './columns.ts'

interface HandoffsFlags extends CommonsFlags {
  readonly task?: string
  readonly after?: string
  readonly limit: string
}

/** The part of `GET /weir/v1/handoffs` that is shown. */
interface HandoffRow {
  readonly at: string
  readonly workflow: string
  readonly task: string
  readonly kind: string
  readonly how: string
  readonly from: string
  readonly to: string
  readonly attempt: number
  readonly why: string
}

interface HandoffPage {
  readonly handoffs: readonly HandoffRow[]
  readonly next: number
}

export function handoffsCommand(): Command {
  return withCommonsOptions(
    new Command('handoffs')
      .description('every handoff of a workflow (default: of all), as one message each, the oldest first')
      .argument('[workflow]', 'the correlationid of its tasks')
      .option('--task <id>', 'only those of this task')
      .option('--after <place>', 'go on after this place of the bus')
      .option('--limit <n>', 'at most so many', '1000'),
  ).action((workflow: string | undefined, flags: HandoffsFlags) =>
    answering('handoffs', async () => {
      const { task, after, limit, json } = flags
      const answer = await askCommons(flags, '/handoffs', { workflow, task, after, limit })
      process.stdout.write(
        json === true
          ? `${JSON.stringify(answer, undefined, 2)}\n`
          : handoffTable(answer, workflow, Number(limit)),
      )
    }),
  )
}

export function handoffTable(answer: unknown, workflow: string | undefined, most: number): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Weir's own answer, of the same package
  const { handoffs, next } = answer as HandoffPage
  const of = workflow === undefined ? '' : ` of ${workflow}`
  if (handoffs.length === 0) return `No handoff${of} is on the bus.\n`
  const head = [
    'AT',
    ...(workflow === undefined ? ['WORKFLOW'] : []),
    'TASK',
    'KIND',
    'FROM',
    'TO',
    'TRY',
    'WHY',
  ]
  const rows = handoffs.map((row) => [
    row.at,
    ...(workflow === undefined ? [row.workflow] : []),
    row.task,
    row.kind,
    row.from,
    row.to,
    String(row.attempt),
    row.how === 'assigned' ? '' : `${row.how}: ${row.why}`,
  ])
  const more = handoffs.length < most ? '' : `There may be more: --after ${next}\n`
  return `${columns([head, ...rows]).join('\n')}\n${more}`
}
