// The suites on real cephadm, systemd and podman: `npm run test:native [-- options of pathproof run]`. Needs root. Installs
// what the native lab needs, builds its images once, runs the tests of its hosts and the suites on it, and ends with the plain
// line "N passed, N failed". Everything that it made of this machine is taken down, also after a crash.
//
// A scenario that proved nothing (`unknown`, `infra`) is tried again, which is said; one that failed is not.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));
const suites = ['smoke'];
const attempts = 2;
const startedMs = Date.now();
let passed = 0;
let failed = 0;

function count(name, isGood) {
  console.log(`${isGood ? 'pass' : 'fail'}     ${name}`);
  if (isGood) passed += 1;
  else failed += 1;
}

function pathproof(...args) {
  return spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** Runs a suite, or those of its scenarios whose names contain `filter`; scenario → verdict. */
function run(suite, filter) {
  const args = ['run', suite, '--lab', 'native', '--json', ...(filter === undefined ? [] : ['--filter', filter]), ...process.argv.slice(2)];
  const { stdout, status } = spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 256 * 1024 * 1024 });
  try {
    const { scenarios } = JSON.parse(stdout.toString('utf8'));
    return new Map(scenarios.filter(({ verdict }) => verdict !== 'skip').map(({ scenario, verdict }) => [scenario, verdict]));
  } catch (error) {
    console.error(`${suite} left no result (exit code ${status}): ${error.message}`);
    return new Map();
  }
}

count('doctor', pathproof('doctor', '--lab', 'native', '--fix'));
const hosts = spawnSync('npx', ['vitest', 'run', 'src/lab/native/native-host.lab.test.ts'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATHPROOF_NATIVE: '1' } });
count('native hosts boot, are switched off and leave nothing, also after a crash', hosts.status === 0);
for (const suite of suites) {
  const verdicts = run(suite);
  // A suite of which nothing is known has failed as a whole.
  if (verdicts.size === 0) count(suite, false);
  for (const [scenario, first] of verdicts) {
    let verdict = first;
    for (let attempt = 2; attempt <= attempts && (verdict === 'unknown' || verdict === 'infra'); attempt++) {
      console.log(`${suite}/${scenario} was ${verdict}: attempt ${attempt} of ${attempts}`);
      verdict = run(suite, scenario).get(scenario) ?? 'infra';
    }
    count(`${suite}/${scenario}: ${verdict}`, verdict === 'pass');
  }
}
count('lab down', pathproof('lab', 'down'));
console.log(`native lab in ${Math.round((Date.now() - startedMs) / 1_000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
