import { describe, expect, it } from 'vitest'
import { Keyring } from './seal.ts'

const OLD = 'an old secret of more than 32 characters'
const NEW = 'a new secret of more than 32 characters!'
const TEXT = Buffer.from('Bearer canary and what the agent said')

describe('a sealed box', () => {
  it('opens under its key, and shows nothing of what is in it', () => {
    const keys = new Keyring([OLD])
    const box = keys.seal('id', 'call', TEXT)
    expect(box.includes('canary')).toBe(false)
    expect(keys.open('id', 'call', box)).toEqual({ ok: true, bytes: TEXT })
    expect(keys.seal('id', 'call', TEXT)).not.toEqual(box)
  })

  it('opens after a rotation as long as its key is among the others', () => {
    const box = new Keyring([OLD]).seal('id', 'call', TEXT)
    const rotated = new Keyring([NEW, OLD])
    expect(rotated.open('id', 'call', box)).toMatchObject({ ok: true })
    expect(rotated.ids[0]).toBe(new Keyring([NEW]).ids[0])
    const fresh = rotated.seal('id', 'call', TEXT)
    expect(new Keyring([NEW]).open('id', 'call', fresh)).toMatchObject({ ok: true })
  })

  it('says under which key it is, when that key is not here', () => {
    const old = new Keyring([OLD])
    const box = old.seal('id', 'call', TEXT)
    expect(new Keyring([NEW]).open('id', 'call', box)).toEqual({
      ok: false,
      why: 'no-key',
      keyId: old.ids[0],
    })
  })

  it('stands for no other call, and an answer for no call', () => {
    const keys = new Keyring([OLD])
    const box = keys.seal('id', 'call', TEXT)
    expect(keys.open('other', 'call', box)).toEqual({ ok: false, why: 'damaged' })
    expect(keys.open('id', 'answer', box)).toEqual({ ok: false, why: 'damaged' })
  })

  it('is damaged by any bit that flips behind the name of its key, and by any cut', () => {
    const keys = new Keyring([OLD])
    const box = keys.seal('id', 'call', TEXT)
    for (let at = 5; at < box.length; at += 1) {
      const torn = Buffer.from(box)
      torn[at] = torn[at]! ^ 1
      expect(keys.open('id', 'call', torn), `byte ${at}`).toEqual({ ok: false, why: 'damaged' })
    }
    for (const length of [0, 1, 32, box.length - 1]) {
      expect(keys.open('id', 'call', box.subarray(0, length))).toEqual({ ok: false, why: 'damaged' })
    }
  })
})
