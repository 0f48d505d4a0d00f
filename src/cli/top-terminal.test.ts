import { EventEmitter } from 'node:events'
import type { ReadStream, WriteStream } from 'node:tty'
import { describe, expect, it } from 'vitest'
import { takeTerminal } from './top-terminal.ts'
import type { Line } from './top-view.ts'

const ENTER = '\u001B[?1049h'
const LEAVE = '\u001B[?25h\u001B[?1049l'

class FakeInput extends EventEmitter {
  isRaw = false
  isPaused = false
  setRawMode(isRaw: boolean): void {
    this.isRaw = isRaw
  }
  pause(): void {
    this.isPaused = true
  }
}

function rig() {
  const input = new FakeInput()
  const output = { rows: 4, columns: 20, written: '', write: (text: string) => void (output.written += text) }
  const keys: string[] = []
  const terminal = takeTerminal(
    input as unknown as ReadStream,
    output as unknown as WriteStream,
    false,
    (key) => keys.push(key),
  )
  const since = (): string => {
    const text = output.written
    output.written = ''
    return text
  }
  return { input, terminal, keys, since }
}

const line = (text: string): Line => [{ text, style: 'plain' }]

describe('the terminal', () => {
  it('is taken whole and given back as it was, once', () => {
    const before = process.listenerCount('exit')
    const { input, terminal, since } = rig()
    expect(since()).toContain(ENTER)
    expect(input.isRaw).toBe(true)
    terminal.restore()
    expect(since()).toBe(LEAVE)
    expect([input.isRaw, input.isPaused, input.listenerCount('data')]).toEqual([false, true, 0])
    expect(process.listenerCount('exit')).toBe(before)
    terminal.restore()
    terminal.show([line('late')])
    expect(since()).toBe('')
  })

  it('is given back before an uncaught error is printed by whoever prints it', () => {
    const { terminal } = rig()
    expect(process.listeners('uncaughtException')[0]).toBe(terminal.restore)
    expect(process.listeners('unhandledRejection')[0]).toBe(terminal.restore)
    terminal.restore()
    expect(process.listeners('uncaughtException')).not.toContain(terminal.restore)
  })

  it('writes only lines that changed, and nothing when none did', () => {
    const { terminal, since } = rig()
    terminal.show([line('one'), line('two')])
    since()
    terminal.show([line('one'), line('TWO')])
    expect(since()).toBe('\u001B[2;1HTWO\u001B[K')
    terminal.show([line('one'), line('TWO')])
    expect(since()).toBe('')
    terminal.show([line('one')])
    expect(since()).toBe('\u001B[2;1H\u001B[K')
    terminal.clear()
    since()
    terminal.show([line('one')])
    expect(since()).toContain('\u001B[1;1Hone')
    terminal.restore()
  })

  it('hands keys on', () => {
    const { input, terminal, keys } = rig()
    input.emit('data', Buffer.from('2\u001B[C'))
    expect(keys).toEqual(['2', 'right'])
    terminal.restore()
  })
})
