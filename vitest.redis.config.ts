import { defineConfig } from 'vitest/config'

// Against a real redis-server, which must be on the PATH: these fail, and do not skip, without one.
export default defineConfig({
  test: { include: ['test/**/*.redis.test.ts'], exclude: ['**/node_modules/**'], testTimeout: 60_000 },
})
