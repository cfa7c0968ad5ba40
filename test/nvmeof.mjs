// The real ceph-nvmeof: `npm run test:nvmeof`. Needs root. Builds it once from Debian's source of Ceph (6 to 8 minutes with its SPDK, then in the
// cache), has it deployed by the real cephadm in namespaces, and runs an inventory of these gateways with the Linux kernel as the host: smoke, failover,
// and a run that was killed. Ends with the plain line "N passed, N failed". With `--brief`, as CI has it: smoke, and listeners removed, and nothing
// where the archive does not give the source. Everything that it made of this machine is taken down, also after a crash.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, seconds, verdictOf } from './real-lab.mjs';

const isBrief = process.argv.includes('--brief');
const root = fileURLToPath(new URL('..', import.meta.url));
const npx = (...words) => spawnSync('npx', words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_NVMEOF: '1' } }).status;

count('doctor', verdictOf(pathproof('doctor', '--lab', 'native-linux', '--fix')));
const built = npx('tsx', 'src/lab/inventory/testing/build.ts', 'ceph-nvmeof');
if (isBrief && built === 77) {
  console.log('skipped: ceph-nvmeof, whose source cannot be had here');
} else {
  count('ceph-nvmeof is built', verdictOf(built === 0));
  count('an inventory of the real ceph-nvmeof', verdictOf(npx('vitest', 'run', 'src/lab/inventory/cephadm/ceph-nvmeof.lab.test.ts', ...(isBrief ? ['-t', 'is ready|passes smoke|all listeners'] : [])) === 0));
  count('lab down', verdictOf(pathproof('lab', 'down')));
}
console.log(`ceph-nvmeof in ${seconds()} s`);
finish();
