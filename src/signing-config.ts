/** The `aws:` block of an upstream, checked: there have to be keys, in the file or in the environment. */
import { z } from 'zod'
import type { Environment } from './config-input.ts'
import { needed, option, preset, scalar, text } from './policy/fields.ts'
import type { Complaint } from './policy/problems.ts'
import type { AwsSigning } from './proxy/sigv4.ts'

function secret(): z.ZodType<string> {
  return scalar({
    read: (value) => (typeof value === 'string' && /^[\x21-\x7e]{1,4096}$/.test(value) ? value : undefined),
    allowed: 'printable ASCII, best as ${VARIABLE}',
    json: { type: 'string', minLength: 1, maxLength: 4096 },
    hidden: true,
  })
}

const WORD = /^[a-z0-9-]{1,64}$/

export const awsSection = z.strictObject({
  region: needed(text(64, 'a region such as us-east-1', WORD), 'For which calls are signed.'),
  service: preset(text(64, 'a service such as bedrock', WORD), 'bedrock', 'The same; not S3.'),
  accessKeyId: option(
    secret(),
    'Absent = AWS_ACCESS_KEY_ID, and the other two from the environment as well.',
  ),
  secretAccessKey: option(secret(), 'Together with accessKeyId.'),
  sessionToken: option(secret(), 'Of temporary keys; they are not renewed while Weir runs.'),
})

/** Undefined = calls of this upstream are not signed here. */
export function signingConfig(
  value: z.output<typeof awsSection> | undefined,
  env: Environment,
  report: (complaint: Complaint) => void,
): AwsSigning | undefined {
  if (value === undefined) return undefined
  const { region, service } = value
  const isOwn = value.accessKeyId !== undefined || value.secretAccessKey !== undefined
  const accessKeyId = isOwn ? value.accessKeyId : env['AWS_ACCESS_KEY_ID']
  const secretAccessKey = isOwn ? value.secretAccessKey : env['AWS_SECRET_ACCESS_KEY']
  const sessionToken = value.sessionToken ?? (isOwn ? undefined : env['AWS_SESSION_TOKEN'])
  if (accessKeyId === undefined || accessKeyId === '' || !secretAccessKey) {
    report({
      found: isOwn ? 'half of a pair of keys' : 'no keys to sign with',
      allowed: 'accessKeyId and secretAccessKey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      fix: 'set both; agents with a bearer key (AWS_BEARER_TOKEN_BEDROCK) need no `aws` at all',
    })
    return undefined
  }
  return { region, service, accessKeyId, secretAccessKey, sessionToken: sessionToken ?? '' }
}
