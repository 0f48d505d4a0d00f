import { defineConfig } from 'vitest/config'

// Every example is a process of its own, as a user would start it; one at a time on the real clock.
export default defineConfig({
  test: { include: ['*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 },
})
