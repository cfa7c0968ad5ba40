import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { Option, type Command } from 'commander';
import type { Plan } from '../plan/types.js';
import { readPlan, readRunVerdict, runFiles } from '../results/store.js';
import { leastFailureRate, smallestThatFailsAgain } from '../shrink/confirm.js';
import { reducibleOf } from '../shrink/scenario-of.js';
import { shrinkPlan } from '../shrink/shrink.js';
import { failsAlike, signatureOf, type Signature } from '../shrink/signature.js';
import { ExitCode, infraError, messageOf, usageError } from '../util/errors.js';
import { interruptible } from './interruptible.js';
import { natural } from './options.js';
import { packageRoot, programName, shellQuote } from './package.js';

interface ShrinkFlags { checker?: string; out?: string; tries: number; confirm: number; maxRuns: number; wrap?: string }

export function addShrinkCommand(program: Command): void {
  program.command('shrink')
    .description('make the plan of a failed run smaller while it fails in the same way')
    .argument('<run>', 'folder of a run that failed')
    .option('--checker <name>', 'the failing checker that matters (default: the first that failed)')
    .option('--out <file>', 'where to store the smallest plan (default: repro.json in the run’s folder)')
    .addOption(new Option('--tries <n>', 'runs of a candidate before it counts as not failing').argParser(natural).default(2))
    .addOption(new Option('--confirm <n>', 'times in a row that the smallest plan has to fail again in the end').argParser(natural).default(5))
    .addOption(new Option('--max-runs <n>', 'runs altogether, without those that confirm').argParser(natural).default(60))
    .option('--wrap <command>', 'put before every run, e.g. "flock -F /tmp/lab.lock nice"')
    .addHelpText('after', `
Removes faults, gateways, namespaces, time and workload, by delta debugging. A candidate counts only if the same
checker fails in the same way. In the end the smallest plan has to fail --confirm more times in a row; one that does not
gives way to the next larger one. Five times prove that it fails in more than half of its runs, not that it fails in each:
\`pathproof repro --tries\` runs it until it does. What is found so far is stored after each step; Ctrl-C keeps it.

Examples:
  $ pathproof shrink results/smoke/20261121T101500123Z-4f2a9c10
  $ pathproof shrink results/smoke/20261121T101500123Z-4f2a9c10 --confirm 30    stored only if it fails in 90 % of its runs
  $ pathproof repro results/smoke/20261121T101500123Z-4f2a9c10 --tries 5        runs what was stored

Exit codes:
  0 a plan that fails in the same way is stored · 2 the failure did not show again · 130 interrupted`)
    .action(async (dir: string, flags: ShrinkFlags) => {
      process.exitCode = await shrink(dir, flags);
    });
}

async function shrink(dir: string, flags: ShrinkFlags): Promise<ExitCode> {
  const plan = readPlan(dir);
  const wanted = signatureOf(readRunVerdict(dir), flags.checker);
  if (wanted === undefined) throw usageError('NOT_FAILED', `${dir} did not fail${flags.checker === undefined ? '' : ` by ${flags.checker}`}`, 'Only a run that failed can be made smaller; `pathproof list` shows the verdicts.');
  const out = flags.out ?? join(dir, runFiles.repro);
  const log = (line: string): void => void process.stdout.write(`${line}\n`);
  log(`${plan.suite}/${plan.scenario} failed by ${wanted.checker}: ${wanted.kinds.join(', ')}`);

  const scratch = mkdtempSync(join(tmpdir(), 'pathproof-shrink-'));
  const { signal, release } = interruptible(process.stdout, 'interrupted: the run under way is ended; the smallest plan so far stays');
  let runs = 0;
  let shown = false;
  const store = (smallest: Plan): void => writePlan(out, smallest);
  const fails = async (candidate: Plan): Promise<boolean> => {
    for (let tries = 0; tries < flags.tries && runs < flags.maxRuns && !signal.aborted; tries++) {
      runs += 1;
      if (await runFails(candidate, wanted, scratch, flags.wrap, signal)) return true;
    }
    return false;
  };
  try {
    const start = reducibleOf(plan);
    log(`run 1: the whole plan again (${sizeOf(plan)})`);
    if (await fails(plan)) {
      shown = true;
      store(plan);
      const found: [Plan, ...Plan[]] = [plan];
      await shrinkPlan(start, {
        fails,
        kept: (what, kept) => {
          found.push(kept);
          store(kept);
          log(`run ${runs}: still fails with ${what} (${sizeOf(kept)})`);
        },
      });
      let confirming = 0;
      const { plan: smallest, failedAgain } = await smallestThatFailsAgain(found, flags.confirm, {
        fails: (candidate) => {
          confirming += 1;
          return runFails(candidate, wanted, scratch, flags.wrap, signal);
        },
        gaveWay: (larger, failed) => log(`failed only ${failed} of ${flags.confirm} times more: ${sizeOf(larger)}`),
        stopped: () => signal.aborted,
      });
      store(smallest);
      log(`after ${runs} run(s)${runs >= flags.maxRuns ? ' (stopped by --max-runs)' : ''} and ${confirming} to confirm: ${sizeOf(smallest)}`);
      if (failedAgain > 0) log(`it failed ${failedAgain} of ${failedAgain} times more, so it fails in at least ${Math.floor(100 * leastFailureRate(failedAgain))} % of its runs (95 % confidence)`);
      log(`repeat: ${programName()} run ${shellQuote(relative(process.cwd(), out))}`);
    } else if (!signal.aborted) {
      log(`it did not fail in that way again in ${runs} run(s)`);
    }
  } finally {
    release();
    rmSync(scratch, { recursive: true, force: true });
  }
  if (signal.aborted) return ExitCode.interrupted;
  return shown ? ExitCode.pass : ExitCode.unknown;
}

/** One run in a process of its own, with results that are thrown away. */
async function runFails(plan: Plan, wanted: Signature, scratch: string, wrap: string | undefined, signal: AbortSignal): Promise<boolean> {
  const file = join(scratch, 'candidate.json');
  const results = join(scratch, 'results');
  writePlan(file, plan);
  const words = [...(wrap?.split(/\s+/).filter((word) => word !== '') ?? []), process.execPath, join(packageRoot, 'dist', 'src', 'cli', 'main.js'), 'run', file, '--results', results, '--json'];
  const child = await execa(words[0]!, words.slice(1), { reject: false, stdin: 'ignore', stderr: 'ignore', cancelSignal: signal, forceKillAfterDelay: 20_000, maxBuffer: 64 * 1024 * 1024 });
  try {
    const summary = JSON.parse(child.stdout) as { scenarios: { runDir: string }[] };
    return failsAlike(readRunVerdict(summary.scenarios[0]!.runDir), wanted);
  } catch {
    return false;
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

function sizeOf(plan: Plan): string {
  const faults = plan.steps.filter((step) => step.do === 'inject').length;
  const waitMs = plan.steps.reduce((sum, step) => sum + (step.do === 'run' ? step.forMs : 0), 0);
  const { shape, workload } = plan;
  return `${faults} fault(s), ${shape.gateways} gateway(s), ${shape.hosts ?? 1} host(s), ${shape.namespaces} namespace(s), ${waitMs} ms of load, queue depth ${workload.queueDepth}, ${workload.workingSetBlocks} blocks`;
}

function writePlan(file: string, plan: Plan): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(plan, null, 2)}\n`);
  } catch (error) {
    throw infraError('REPRO_WRITE', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
