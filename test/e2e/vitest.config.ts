import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Real clients on the real clock: one file at a time, so that none waits for the processor instead of its slot.
export default defineConfig({
  test: {
    // Real clients' own timers on a shared machine: two more tries in CI, and then a failure is a failure.
    retry: process.env['CI'] === undefined ? 0 : 2,
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
})
