// Gateways on real SPDK: `npm run test:spdk`. Needs root. Builds SPDK once, from Debian's source of Ceph (3 to 5 minutes, then in
// the cache), drives it by the control, and runs an inventory of hosts that have it: smoke, failover, and a run that was killed.
// Ends with the plain line "N passed, N failed". With `--brief`, as CI has it: smoke only, and nothing where the archive does
// not give the source. Everything that it made of this machine is taken down, also after a crash.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, seconds, verdictOf } from './real-lab.mjs';

const isBrief = process.argv.includes('--brief');
const root = fileURLToPath(new URL('..', import.meta.url));
const npx = (...words) => spawnSync('npx', words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_SPDK: '1' } }).status;

count('doctor', verdictOf(pathproof('doctor', '--lab', 'native-linux', '--fix')));
const built = npx('tsx', 'src/lab/inventory/testing/build.ts', 'spdk');
if (isBrief && built === 77) {
  console.log('skipped: SPDK, whose source cannot be had here');
} else {
  count('SPDK is built', verdictOf(built === 0));
  count('the control, on SPDK itself', verdictOf(npx('vitest', 'run', 'src/gateway/spdk/spdk.lab.test.ts') === 0));
  count('an inventory of gateways on SPDK', verdictOf(npx('vitest', 'run', 'src/lab/inventory/spdk.lab.test.ts', ...(isBrief ? ['-t', 'is ready|passes smoke'] : [])) === 0));
  count('lab down', verdictOf(pathproof('lab', 'down')));
}
console.log(`SPDK in ${seconds()} s`);
finish();
