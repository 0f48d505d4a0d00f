import { expect, it } from 'vitest'
import { loadOtlpSdk } from './sdk.ts'

it('a package that is not installed is told by its name', async () => {
  const missing = Object.assign(
    new Error("Cannot find package '@opentelemetry/sdk-metrics' imported from x"),
    {
      code: 'ERR_MODULE_NOT_FOUND',
    },
  )
  await expect(loadOtlpSdk(async () => Promise.reject(missing))).rejects.toMatchObject({
    name: 'OtlpPackagesMissing',
    packageName: '@opentelemetry/sdk-metrics',
  })
  const broken = new Error('broken')
  await expect(loadOtlpSdk(async () => Promise.reject(broken))).rejects.toBe(broken)
})
