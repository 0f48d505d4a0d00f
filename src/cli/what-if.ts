/** `weir what-if TASK`: what happens if this step fails now. */
import { Command } from 'commander'
import { answering, askCommons, withCommonsOptions, type CommonsFlags } from './commons-client.ts'
import { shownText } from './columns.ts'

export function whatIfCommand(): Command {
  return withCommonsOptions(
    new Command('what-if')
      .description('what happens if this step of a workflow fails now; nothing is done')
      .argument('<task>', 'the id of a task'),
  ).action((task: string, flags: CommonsFlags) =>
    answering('what-if', async () => {
      const answer = await askCommons(
        flags,
        `/tasks/${encodeURIComponent(task).replaceAll('%3A', ':')}/what-if`,
      )
      process.stdout.write(
        flags.json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : whatIfText(answer),
      )
    }),
  )
}

export function whatIfText(answer: unknown): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Weir's own answer, of the same package
  const { says } = answer as { readonly says: readonly string[] }
  return `${says.map(shownText).join('\n')}\n`
}
