/** The sections `tls:` and `http2:` of the config; docs/protocols.md explains them. */
import { z } from 'zod'
import { choice, duration, flag, needed, option, preset, text, whole } from './policy/fields.ts'
import { CLIENT_CERTS } from './proxy/options.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

function path(): z.ZodType<string> {
  return text(4096, 'the path of a PEM file')
}

export const tlsSection = z.strictObject({
  cert: needed(
    path(),
    'Certificate with its chain, the leaf first; from the folder of this file, and followed.',
  ),
  key: needed(path(), 'Its private key, without a passphrase.'),
  more: z
    .array(
      z.strictObject({
        cert: needed(path(), 'As above.'),
        key: needed(path(), 'As above.'),
      }),
    )
    .max(64)
    .optional()
    .meta({
      allowed: 'a list of cert and key',
      description: 'Further pairs: clients get the one that is valid for the name they ask for (SNI).',
    }),
  clientCert: preset(
    choice(CLIENT_CERTS),
    'none',
    'Whether clients show certificates; optional = none, or one that is verified.',
  ),
  clientCa: option(path(), 'Authorities that those are verified with; needed with optional and required.'),
  minVersion: preset(choice(VERSIONS), 'TLSv1.2', 'The oldest version that is spoken.'),
  handshakeTimeout: preset(duration('1s', '5m'), '10s', 'Until the handshake is done.'),
  plain: flag().optional().meta({
    allowed: 'true or false',
    description: 'Whether http:// and ws:// are served on the same port; absent = on loopback only.',
  }),
})

export const http2Section = z.strictObject({
  enabled: preset(
    flag(),
    true,
    'HTTP/2 from agents: over TLS by ALPN, without TLS by prior knowledge (h2c).',
  ),
  streams: preset(whole(1, 10_000), 128, 'Calls of one HTTP/2 connection at once.'),
})
