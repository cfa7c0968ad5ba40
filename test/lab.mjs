// The suites on real parts: `npm run test:lab [-- options of pathproof run]`. Installs what the qemu lab needs (apt, as root
// or by sudo), brings the lab up (the image is built, Ceph provisioned, the whole lab saved) and down again, runs smoke,
// failover and policies on it, and ends with the plain line "N passed, N failed".
//
// A scenario that is not proved has not passed. One that proved nothing (`unknown`: the machine did not let the test run
// evenly; `infra`: the lab broke) is tried again, which is said; one that failed is not.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const suites = ['smoke', 'failover', 'policies'];
const attempts = 3;
const startedMs = Date.now();

/** Runs a suite, or those of its scenarios whose names contain `filter`; scenario → verdict. */
function run(suite, filter) {
  const args = ['run', suite, '--lab', 'qemu', '--json', ...(filter === undefined ? [] : ['--filter', filter]), ...process.argv.slice(2)];
  const { stdout, status } = spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 256 * 1024 * 1024 });
  try {
    const { scenarios } = JSON.parse(stdout.toString('utf8'));
    return new Map(scenarios.filter(({ verdict }) => verdict !== 'skip').map(({ scenario, verdict }) => [scenario, verdict]));
  } catch (error) {
    console.error(`${suite} left no result (exit code ${status}): ${error.message}`);
    return new Map();
  }
}

function pathproof(...args) {
  return spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

pathproof('doctor', '--lab', 'qemu', '--fix');
let passed = 0;
let failed = 0;
const isUp = pathproof('lab', 'up', '--lab', 'qemu');
const isDown = pathproof('lab', 'down');
console.log(`${isUp && isDown ? 'pass' : 'fail'}     lab up, lab down in ${Math.round((Date.now() - startedMs) / 1_000)} s`);
if (isUp && isDown) passed += 1;
else failed += 1;
for (const suite of suites) {
  const verdicts = run(suite);
  // A suite of which nothing is known has failed as a whole.
  if (verdicts.size === 0) failed += 1;
  for (const [scenario, first] of verdicts) {
    let verdict = first;
    for (let attempt = 2; attempt <= attempts && (verdict === 'unknown' || verdict === 'infra'); attempt++) {
      console.log(`${suite}/${scenario} was ${verdict}: attempt ${attempt} of ${attempts}`);
      verdict = run(suite, scenario).get(scenario) ?? 'infra';
    }
    console.log(`${verdict.padEnd(8)} ${suite}/${scenario}`);
    if (verdict === 'pass') passed += 1;
    else failed += 1;
  }
}
console.log(`real parts: ${suites.join(', ')} in ${Math.round((Date.now() - startedMs) / 1_000)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
