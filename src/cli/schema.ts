/** `weir schema`: JSON Schema of the files, for editors and for other tools. */
import { Argument, Command } from 'commander'
import { configFile } from '../config-schema.ts'
import { jsonSchemaOf, referenceOf } from '../policy/reference.ts'
import { policyFile } from '../policy/schema.ts'

export const SCHEMA_KINDS = ['policy', 'config'] as const
export type SchemaKind = (typeof SCHEMA_KINDS)[number]

/** As `policies/schema.json` and `policies/config.schema.json` are committed. */
export function schemaText(kind: SchemaKind): string {
  const schema =
    kind === 'policy'
      ? jsonSchemaOf(policyFile, 'Weir policy file')
      : jsonSchemaOf(configFile, 'Weir config file')
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

/** As `docs/policies.md` and `docs/config.md` are committed: an introduction by hand, then this. */
export function referenceText(kind: SchemaKind): string {
  return referenceOf(kind === 'policy' ? policyFile : configFile, 'file')
}

export function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema of the files')
    .addArgument(new Argument('[kind]', 'which file').choices([...SCHEMA_KINDS]).default('policy'))
    .option('--json', 'print JSON (it always is)')
    .option('--markdown', 'print the reference page instead')
    .addHelpText(
      'after',
      '\nExample, the first line of a policy:\n  # yaml-language-server: $schema=./schema.json',
    )
    .action((kind: SchemaKind, flags: { readonly markdown?: boolean }) => {
      process.stdout.write(flags.markdown === true ? `${referenceText(kind)}\n` : schemaText(kind))
    })
}
