/** Certificates as files, for a listener that follows them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListenerTls } from '../../src/proxy/options.ts'
import { CLIENT_CA, OTHER_CERT, OTHER_KEY, TEST_CERT, TEST_KEY } from './tls-fixture.ts'

export interface TlsFiles {
  readonly dir: string
  readonly options: ListenerTls
  write(name: 'cert' | 'key' | 'ca', text: string): Promise<void>
  close(): Promise<void>
}

/** `localhost` in `tls.crt` and `tls.key`, and what `options` says otherwise. */
export async function tlsFiles(options: Partial<ListenerTls> = {}): Promise<TlsFiles> {
  const dir = await mkdtemp(join(tmpdir(), 'weir-tls-'))
  const names = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key'), ca: join(dir, 'ca.crt') }
  await writeFile(names.cert, TEST_CERT)
  await writeFile(names.key, TEST_KEY)
  await writeFile(names.ca, CLIENT_CA)
  return {
    dir,
    options: {
      certificates: [{ cert: names.cert, key: names.key }],
      clientCa: options.clientCert === undefined ? undefined : names.ca,
      clientCert: 'none',
      minVersion: 'TLSv1.2',
      handshakeTimeoutMs: 10_000,
      plain: true,
      ...options,
    },
    write: (name, text) => writeFile(names[name], text),
    close: () => rm(dir, { recursive: true, force: true }),
  }
}

/** A second pair beside the first, for `other.test`. */
export async function otherPair(dir: string): Promise<{ cert: string; key: string }> {
  const pair = { cert: join(dir, 'other.crt'), key: join(dir, 'other.key') }
  await writeFile(pair.cert, OTHER_CERT)
  await writeFile(pair.key, OTHER_KEY)
  return pair
}
