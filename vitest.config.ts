import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Two groups, one after the other: unit, property and member tests in parallel; then the end-to-end runs
 * one by one, since a lab has real timers and several at once on a small machine would fake stalls.
 * Suites have a config of their own.
 */
const resolve = { alias: { pathproof: fileURLToPath(new URL('./src/index.ts', import.meta.url)), 'fio-parser': fileURLToPath(new URL('./packages/fio-parser/src/index.ts', import.meta.url)) } };
const common = { exclude: ['**/node_modules/**', '**/dist/**'], testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' as const };

export default defineConfig({
  test: {
    projects: [
      { resolve, test: { ...common, name: 'unit', include: ['src/**/*.test.ts', 'packages/*/**/*.test.ts', 'vagrant/**/*.test.ts', 'test/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { resolve, test: { ...common, name: 'e2e', include: ['test/e2e/**/*.test.ts'], fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
});
