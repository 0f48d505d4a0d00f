import { describe, expect, it } from 'vitest'
import { createSampling } from './sampling.ts'
import { loadOtlpSdk } from './sdk.ts'

const sdk = await loadOtlpSdk()
const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }

/** The share of calls without a caller that is traced. */
function taken(ratio: number): number {
  const sample = createSampling(sdk, ratio)
  const contexts = Array.from({ length: 4000 }, () => sample(undefined)).filter((one) => one !== undefined)
  expect(new Set(contexts.map(({ traceId }) => traceId)).size).toBe(contexts.length)
  for (const { parentSpanId } of contexts) expect(parentSpanId).toBe('')
  return contexts.length / 4000
}

describe('whether a call is traced', () => {
  it.each([0, 0.5, 1])('is what its caller decided, whatever the ratio (%d)', (ratio) => {
    const sample = createSampling(sdk, ratio)
    expect(sample({ ...parent, sampled: true })).toEqual({
      traceId: parent.traceId,
      parentSpanId: parent.spanId,
    })
    expect(sample({ ...parent, sampled: false })).toBeUndefined()
  })

  it('is the ratio for those without a caller, each in a trace of its own', () => {
    expect(taken(0)).toBe(0)
    expect(taken(1)).toBe(1)
    // Six standard deviations of 4,000 throws.
    expect(Math.abs(taken(0.25) - 0.25)).toBeLessThan(0.042)
  })
})
