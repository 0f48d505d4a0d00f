import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Real clients on the real clock: one file at a time, so that none waits for the processor instead of its slot.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
})
