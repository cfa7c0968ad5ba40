import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Unit and property tests beside the code, end-to-end tests under test/. Suites have a config of their own.
export default defineConfig({
  resolve: { alias: { pathproof: fileURLToPath(new URL('./src/index.ts', import.meta.url)) } },
  test: {
    include: ['src/**/*.test.ts', 'packages/*/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // The loopback lab has real timers; more workers than cores would fake stalls.
    maxWorkers: 2,
  },
});
