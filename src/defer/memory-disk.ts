/** A disk that lasts as long as the object: for tests, which open another store on the same one. */
import type { ShelfRecord } from './call-shelf.ts'
import type { Disk } from './shelf-store.ts'

export class MemoryDisk implements Disk {
  readonly durability = 'In memory: nothing survives the process.'
  readonly records = new Map<string, ShelfRecord>()
  readonly calls = new Map<string, Buffer>()
  readonly answers = new Map<string, Buffer>()
  /** What the next writes fail with. */
  fault: Error | undefined

  open(): Promise<{ readonly records: readonly ShelfRecord[]; readonly damaged: number }> {
    return Promise.resolve({
      records: [...this.records.values()].map((record) => ({ ...record })),
      damaged: 0,
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async write(record: ShelfRecord, call?: Buffer | null, answer?: Buffer | null): Promise<void> {
    await Promise.resolve()
    if (this.fault !== undefined) throw this.fault
    this.records.set(record.id, { ...record })
    put(this.calls, record.id, call)
    put(this.answers, record.id, answer)
  }

  async remove(ids: readonly string[]): Promise<void> {
    await Promise.resolve()
    if (this.fault !== undefined) throw this.fault
    for (const id of ids) {
      this.records.delete(id)
      this.calls.delete(id)
      this.answers.delete(id)
    }
  }

  call(id: string): Buffer | undefined {
    return this.calls.get(id)
  }

  answer(id: string): Buffer | undefined {
    return this.answers.get(id)
  }
}

function put(into: Map<string, Buffer>, id: string, bytes: Buffer | null | undefined): void {
  if (bytes === null) into.delete(id)
  else if (bytes !== undefined) into.set(id, bytes)
}
