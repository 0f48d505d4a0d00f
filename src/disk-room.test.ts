import { expect, it } from 'vitest'
import { DiskRoom, SPARE_BYTES } from './disk-room.ts'

it('lets nothing begin that might not fit, and keeps room for what is owed', async () => {
  let free = 2 * SPARE_BYTES
  const room = new DiskRoom(() => free)
  await expect(room.during(1000, 'new', async () => 'written')).resolves.toBe('written')
  free = SPARE_BYTES
  await expect(room.during(1000, 'new', async () => 'written')).rejects.toThrow('no room on the disk')
  await expect(room.during(1000, 'owed', async () => 'written')).resolves.toBe('written')
  free = SPARE_BYTES / 4
  await expect(room.during(1000, 'owed', async () => 'written')).rejects.toThrow('no room on the disk')
})

it('counts what is being written, and forgets it when that has ended, well or not', async () => {
  const room = new DiskRoom(() => 2 * SPARE_BYTES)
  const { promise: written, reject: fail } = deferred()
  const first = room.during(SPARE_BYTES / 3, 'new', async () => await written)
  await expect(room.during(SPARE_BYTES / 3, 'new', async () => 'written')).rejects.toThrow('no room')
  fail(new Error('torn'))
  await expect(first).rejects.toThrow('torn')
  await expect(room.during(SPARE_BYTES / 3, 'new', async () => 'written')).resolves.toBe('written')
})

function deferred(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject!: (error: Error) => void
  const promise = new Promise<never>((_, refuse) => (reject = refuse))
  return { promise, reject }
}
