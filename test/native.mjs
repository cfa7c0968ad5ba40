// The suites on real cephadm, systemd and podman: `npm run test:native [-- options of pathproof run]`. Needs root. Installs
// what the native lab needs, builds its images once, runs the tests of its hosts and the suites on it, and ends with the plain
// line "N passed, N failed". Everything that it made of this machine is taken down, also after a crash.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, finish, pathproof, runSuites, seconds } from './real-lab.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const verdictOf = (isGood) => (isGood ? 'pass' : 'fail');

count('doctor', verdictOf(pathproof('doctor', '--lab', 'native', '--fix')));
const hosts = spawnSync('npx', ['vitest', 'run', 'src/lab/native/native-host.lab.test.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_NATIVE: '1' } });
count('native hosts boot, are switched off and leave nothing, also after a crash', verdictOf(hosts.status === 0));
runSuites('native', ['smoke', 'failover', 'nightly'], 3);
count('lab down', verdictOf(pathproof('lab', 'down')));
console.log(`native lab in ${seconds()} s`);
finish();
