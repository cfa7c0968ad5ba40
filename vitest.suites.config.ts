import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Suites as vitest tests: one scenario each, one after the other, since every lab wants the machine for itself.
export default defineConfig({
  resolve: { alias: { pathproof: fileURLToPath(new URL('./src/index.ts', import.meta.url)), 'fio-parser': fileURLToPath(new URL('./packages/fio-parser/src/index.ts', import.meta.url)) } },
  test: {
    include: ['suites/**/*.suite.ts'],
    setupFiles: ['./src/run/vitest-suite.ts'],
    pool: 'forks',
    fileParallelism: false,
  },
});
