// Gateways on real SPDK: `npm run test:spdk`. Needs root. Builds SPDK once, from Debian's source of Ceph (about 5 minutes, then in
// the cache), drives it by the control, and runs an inventory of hosts that have it: smoke, failover, and a run that was killed.
// Ends with the plain line "N passed, N failed". Everything that it made of this machine is taken down, also after a crash.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, seconds, verdictOf } from './real-lab.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const test = (file) => spawnSync('npx', ['vitest', 'run', file], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_SPDK: '1' } }).status === 0;

count('doctor', verdictOf(pathproof('doctor', '--lab', 'native-linux', '--fix')));
count('the control, on SPDK itself', verdictOf(test('src/gateway/spdk/spdk.lab.test.ts')));
count('an inventory of gateways on SPDK', verdictOf(test('src/lab/inventory/spdk.lab.test.ts')));
count('lab down', verdictOf(pathproof('lab', 'down')));
console.log(`SPDK in ${seconds()} s`);
finish();
