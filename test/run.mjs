// Runs vitest and adds the plain closing line "N passed, N failed, N skipped" below its own summary.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dir = mkdtempSync(join(tmpdir(), 'pathproof-test-'));
const file = join(dir, 'results.json');
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const child = spawn(process.execPath, [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...process.argv.slice(2)], { stdio: 'inherit' });
child.on('exit', (code) => {
  let status = code ?? 1;
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
    // A test file that cannot even be loaded has no test that could fail.
    const failed = numFailedTests > 0 ? numFailedTests : status === 0 ? 0 : Math.max(1, numFailedTestSuites);
    console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`);
    if (numPassedTests === 0) status ||= 1;
  } catch (error) {
    console.error(`vitest left no result file: ${error.message}`);
    status ||= 1;
  }
  rmSync(dir, { recursive: true, force: true });
  process.exit(status);
});
