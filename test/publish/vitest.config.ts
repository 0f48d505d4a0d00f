import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// What users get: packs, installs and starts the package, and so takes a minute and a registry.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
})
