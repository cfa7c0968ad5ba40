// The suites on real parts: `npm run test:lab`. Installs what the qemu lab needs (apt, as root or by sudo), runs smoke and
// failover there, and ends with the plain line "N passed, N failed": a scenario that is not proved has not passed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'pathproof-lab-'));
const pathproof = (...args) => spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;

let passed = 0;
let failed = 0;
try {
  pathproof('doctor', '--lab', 'qemu', '--fix');
  for (const suite of ['smoke', 'failover']) {
    const junit = join(dir, `${suite}.xml`);
    const code = pathproof('run', suite, '--lab', 'qemu', '--junit', junit, ...process.argv.slice(2));
    let tests = 0;
    let bad = 0;
    try {
      const root = /<testsuites\b[^>]*>/.exec(readFileSync(junit, 'utf8'))?.[0] ?? '';
      const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
      tests = number('tests') - number('skipped');
      bad = number('failures') + number('errors');
    } catch (error) {
      console.error(`${suite} left no result: ${error.message}`);
    }
    // A suite that ended badly without a bad test, or without any, has failed as a whole.
    if (tests === 0 || (code !== 0 && bad === 0)) bad += 1;
    passed += Math.max(0, tests - bad);
    failed += bad;
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
