import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// One browser, one Weir under load on the real clock: one file at a time.
export default defineConfig({
  cacheDir: '../../node_modules/.vite/browser',
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.browser.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
})
