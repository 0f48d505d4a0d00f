import { defineConfig } from 'vitest/config'

// e2e needs Node 22 or later and packages of its own: `npm run e2e`. What needs a redis-server: `npm run test:redis`.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/publish/**', '**/*.redis.test.ts', '**/node_modules/**'],
    // Against tests that hang, on machines however busy; what a test waits for has bounds of its own.
    testTimeout: 60_000,
    // On two cores the default is one worker; half of the files wait for sockets and children most of their time.
    maxWorkers: 3,
  },
})
