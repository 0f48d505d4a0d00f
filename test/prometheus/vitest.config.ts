import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// A real Prometheus, which must be on the PATH: it fails, and does not skip, without one. On the real clock.
export default defineConfig({
  cacheDir: '../../node_modules/.vite/prometheus',
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.prometheus.ts'],
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 180_000,
  },
})
