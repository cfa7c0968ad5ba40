// What the scripts that run suites on real parts (lab.mjs, native.mjs) have in common.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));

/** Runs a command of pathproof, which says what it has to say; true: it ended well. */
export function pathproof(...args) {
  return spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** Runs a suite, or those of its scenarios whose names contain `filter`; scenario → verdict. */
function run(lab, suite, filter) {
  const args = ['run', suite, '--lab', lab, '--json', ...(filter === undefined ? [] : ['--filter', filter]), ...process.argv.slice(2)];
  const { stdout, status } = spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 256 * 1024 * 1024 });
  try {
    const { scenarios } = JSON.parse(stdout.toString('utf8'));
    for (const scenario of scenarios) tellWhy(scenario);
    return new Map(scenarios.filter(({ verdict }) => verdict !== 'skip').map(({ scenario, verdict }) => [scenario, verdict]));
  } catch (error) {
    console.error(`${suite} left no result (exit code ${status}): ${error.message}`);
    return new Map();
  }
}

/** Keeps for the end why a run did not pass: a log of an hour is often read from its end, or only its end is kept. */
function tellWhy({ suite, scenario, verdict, seed, checks = [] }) {
  if (verdict === 'pass' || verdict === 'skip') return;
  reasons.push(`${suite}/${scenario} (seed ${seed}): ${verdict}`);
  for (const { checker, verdict: word, summary, evidence } of checks.filter((check) => check.verdict !== 'pass')) {
    reasons.push(`  ${word} ${checker}: ${summary}`, ...evidence.slice(0, 5).map(({ text }) => `    ${text}`));
  }
}

/** On two processors every third run of the virtual machines may prove nothing; five attempts leave one such scenario in 250. */
const attempts = 5;
/** No attempt is begun later than so long after the script's start, minutes: CI ends a run that takes too long, and then nothing is known. */
const attemptsUntil = 35;

/**
 * Runs suites on a lab (each by its name, or [name, filter]) and counts each scenario. One that proved nothing (`unknown`:
 * the machine did not let the test run evenly; `infra`: the lab broke) is tried again, which is said; one that failed is not.
 */
export function runSuites(lab, suites) {
  for (const [suite, filter] of suites.map((each) => [each].flat())) {
    const verdicts = run(lab, suite, filter);
    // A suite of which nothing is known has failed as a whole.
    if (verdicts.size === 0) count(suite, 'fail');
    for (const [scenario, first] of verdicts) {
      let verdict = first;
      for (let attempt = 2; attempt <= attempts && seconds() < attemptsUntil * 60 && (verdict === 'unknown' || verdict === 'infra'); attempt++) {
        console.log(`${suite}/${scenario} was ${verdict}: attempt ${attempt} of ${attempts}`);
        verdict = run(lab, suite, scenario).get(scenario) ?? 'infra';
      }
      count(`${suite}/${scenario}`, verdict);
    }
  }
}

const startedMs = Date.now();
const reasons = [];
let passed = 0;
let failed = 0;

/** The verdict of what either is so or not. */
export function verdictOf(isGood) {
  return isGood ? 'pass' : 'fail';
}

/** Counts and prints one result: only `pass` has passed. */
export function count(name, verdict) {
  console.log(`${verdict.padEnd(8)} ${name}`);
  if (verdict === 'pass') passed += 1;
  else failed += 1;
}

/** Seconds since the script began. */
export function seconds() {
  return Math.round((Date.now() - startedMs) / 1_000);
}

/** Prints what did not pass, first attempts included, then the plain last line, and ends the process. */
export function finish() {
  for (const reason of reasons) console.log(`not passed: ${reason}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
