// The suites on real cephadm, systemd and podman: `npm run test:native [-- options of pathproof run]`. Needs root. Installs
// what the native lab needs, builds its images once, runs the tests of its hosts and the suites on it, and ends with the plain
// line "N passed, N failed". With `--brief`, as CI has it: of the suites smoke, removal and replacement by cephadm, and a held
// write. Everything that it made of this machine is taken down, also after a crash.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, runSuites, seconds, verdictOf } from './real-lab.mjs';

const isBrief = process.argv.includes('--brief');
process.argv = process.argv.filter((word) => word !== '--brief');

const root = fileURLToPath(new URL('..', import.meta.url));

count('doctor', verdictOf(pathproof('doctor', '--lab', 'native', '--fix')));
const hosts = spawnSync('npx', ['vitest', 'run', 'src/lab/native/native-host.lab.test.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_NATIVE: '1' } });
count('native hosts boot, are switched off and leave nothing, also after a crash', verdictOf(hosts.status === 0));
runSuites('native', isBrief ? ['smoke', ['failover', 'by-cephadm'], ['nightly', 'held-data-phase']] : ['smoke', 'failover', 'nightly']);
if (!isBrief) {
  // The same gateways with Linux as the initiator.
  count('doctor, Linux hosts', verdictOf(pathproof('doctor', '--lab', 'native-linux', '--fix')));
  runSuites('native-linux', ['smoke', 'failover']);
}
const existing = isBrief ? undefined : spawnSync('npx', ['vitest', 'run', 'src/lab/inventory/cephadm/cephadm.lab.test.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_NATIVE: '1' } });
if (existing !== undefined) count('an inventory of gateways that cephadm has deployed', verdictOf(existing.status === 0));
count('lab down', verdictOf(pathproof('lab', 'down')));
console.log(`native lab in ${seconds()} s`);
finish();
