import { join, relative } from 'node:path';
import { Option, type Command } from 'commander';
import { plannedCommands } from '../lab/inventory/dry-run.js';
import type { Inventory } from '../lab/inventory/file.js';
import { openProvider } from '../lab/providers.js';
import { removeAbandonedLabs } from '../lab/registry.js';
import { planScenario, type PlanOptions } from '../plan/planner.js';
import { skipReason } from '../plan/fits.js';
import type { LabKind, LabPlatform, Plan } from '../plan/types.js';
import { exitCodeOf } from '../results/exit-code.js';
import { storeSkip } from '../results/skip.js';
import { createRunDir, readPlanFile, runFiles, type RunInfo } from '../results/store.js';
import { onGithub, runAnnotations, StatusLine, type ScenarioResult } from '../report/index.js';
import { writeSummaries } from '../results/summaries.js';
import { executePlan, type RunOutcome } from '../run/runner.js';
import { ExitCode, usageError } from '../util/errors.js';
import { interruptible } from './interruptible.js';
import { filterScenarios, findSuite, loadSuite } from './load-suite.js';
import { addPlanOptions, inventoryOf, planArguments, planOptions, type PlanFlags } from './options.js';
import { labProgress } from './lab-progress.js';
import { printVerdict } from './outcome.js';
import { gitCommit, packageVersion, programName, shellQuote } from './package.js';
import { shard, shardOf, shardText, type Shard } from './shard.js';

export interface RunFlags extends PlanFlags { results: string; json?: boolean; junit?: string; keep?: boolean; shard?: Shard; dryRun?: boolean }

export function addRunCommand(program: Command): void {
  addPlanOptions(program.command('run'))
    .description('run the scenarios of a suite and judge them')
    .argument('[suite]', 'name or path of a suite, or of a stored plan (*.json)', 'smoke')
    .option('--results <dir>', 'folder of the results', 'results')
    .option('--keep', 'leave virtual machines up at the end, to look into them (`pathproof lab`)')
    .option('--json', 'print the verdicts as JSON on stdout (progress goes to stderr)')
    .option('--junit <file>', 'also write a JUnit XML file')
    .addOption(new Option('--shard <i/n>', 'only the i-th of n parts of the scenarios, for several labs side by side').argParser(shard))
    .option('--dry-run', 'print every command that the run would execute on the hosts of an inventory, in order, and execute none')
    .addHelpText('after', `
Examples:
  $ pathproof run
  $ pathproof run suites/failover.suite.ts --filter partition
  $ pathproof run smoke --seed 4f2a9c10 --gateways 4 --ana-groups 4 --namespaces 8
  $ pathproof run smoke --hosts 2
  $ pathproof run smoke --defect gateway.tear-write      must fail: the harness has to find it
  $ pathproof run repro.json                             a plan as it is stored, e.g. by pathproof shrink
  $ pathproof run nightly --shard 2/3                    the second of three parts, each on a lab of its own
  $ pathproof run smoke --lab inventory --inventory rack.yaml --dry-run   what it would do to your hosts
  $ pathproof run failover --junit junit.xml --json > verdicts.json`)
    .action(async (argument: string, flags: RunFlags, command: Command) => {
      process.exitCode = await runSuite(argument, flags, command.getOptionValueSource('lab') === 'cli');
    });
}

/** What one invocation runs. `repro`: the command that repeats one of the plans, or all of them. */
export interface Job {
  lab: LabKind;
  /** `resolve`: the plan again, for what the lab turned out to be made of. */
  plans: { plan: Plan; resolve: (platform?: LabPlatform) => Plan }[];
  skips: Extract<ScenarioResult, { kind: 'skipped' }>[];
  seed: string;
  defects: readonly string[];
  repro: (scenario?: string) => string;
}

async function suiteJob(argument: string, flags: RunFlags): Promise<Job> {
  const file = findSuite(argument);
  const suite = await loadSuite(file);
  const options = planOptions(flags);
  // All plans first: a mistake in the last scenario must not be found after the others have run.
  const filtered = filterScenarios(suite, flags.filter);
  const chosen = flags.shard === undefined ? filtered : shardOf(filtered, flags.shard);
  const skips: Job['skips'] = [];
  const plans: Job['plans'] = [];
  for (const scenario of chosen) {
    const reason = skipReason(scenario, options.lab, options.platform);
    if (reason !== undefined) {
      skips.push({ kind: 'skipped' as const, suite: suite.name, scenario: scenario.name, title: scenario.title, lab: options.lab, reason });
      continue;
    }
    const resolve = (platform?: LabPlatform): Plan => planScenario(suite.name, scenario, { ...options, ...(platform === undefined ? {} : { platform }) });
    plans.push({ plan: resolve(), resolve });
  }
  return { lab: options.lab, plans, skips, seed: options.seed, defects: options.defects ?? [], repro: (scenario) => `${reproCommand(file, scenario, options, flags.filter)}${scenario === undefined && flags.shard !== undefined ? ` --shard ${shardText(flags.shard)}` : ''}` };
}

/** Labs that have the same parts: a plan for one can be run on the other. */
const labsOfMachines: readonly LabKind[] = ['qemu', 'vagrant'];

/** A stored plan (repro.json, plan.json) is run as it is: nothing but the lab of its machines can be changed from the command line. */
export function planJob(file: string, flags: RunFlags, labGiven: boolean): Job {
  const given = (['seed', 'filter', 'gateways', 'hosts', 'namespaces', 'anaGroups', 'timeScale', 'defect', 'debianSuite', 'cephMajor', 'auth', 'mons', 'shard'] as const).filter((name) => flags[name] !== undefined);
  if (given.length > 0) throw usageError('PLAN_IS_FIXED', `${file} is a plan: --${given[0]!.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} cannot change it`, 'Run its suite to choose anything else.');
  const stored = readPlanFile(file);
  const lab = labGiven ? flags.lab : stored.lab;
  if (lab !== stored.lab && !(labsOfMachines.includes(lab) && labsOfMachines.includes(stored.lab))) throw usageError('PLAN_IS_FIXED', `${file} is a plan for the ${stored.lab} lab: --lab ${lab} cannot change it`, 'Plans for qemu and vagrant run on both.');
  const plan: Plan = { ...stored, lab };
  const where = flags.inventory !== undefined ? ` --lab inventory --inventory ${shellQuote(flags.inventory)}` : lab === stored.lab ? '' : ` --lab ${lab}`;
  return { lab, plans: [{ plan, resolve: () => plan }], skips: [], seed: plan.seed, defects: plan.defects, repro: () => `${programName()} run ${shellQuote(relative(process.cwd(), file))}${where}` };
}

async function runSuite(argument: string, flags: RunFlags, labGiven: boolean): Promise<ExitCode> {
  const job = argument.endsWith('.json') ? planJob(argument, flags, labGiven) : await suiteJob(argument, flags);
  const { lab, plans, skips, seed, repro } = job;
  if (flags.dryRun === true) return dryRun(inventoryOf({ ...flags, lab }), plans.map(({ plan }) => plan), skips);
  const out = flags.json === true ? process.stderr : process.stdout;
  const { outcomes, interrupted, git } = await runJob(job, flags, out);
  const verdicts = outcomes.map((o) => o.result.verdict);
  if (onGithub()) for (const line of runAnnotations([...outcomes.map((o) => o.result), ...skips])) out.write(`${line}\n`);
  writeSummaries([...outcomes.map((o) => o.result), ...skips], packageVersion, { ...(flags.junit === undefined ? {} : { junit: flags.junit }), ...(flags.json === true ? { json: process.stdout } : {}) });
  for (const skip of skips) {
    out.write(`skipped ${skip.scenario}: ${skip.reason}\n`);
    const { suite: name, scenario, title, reason } = skip;
    await storeSkip(flags.results, { suite: name, scenario, title, lab, reason, seed, git, version: packageVersion, argv: process.argv.slice(2), ...(flags.shard === undefined ? {} : { shard: shardText(flags.shard) }) });
  }
  if (plans.length > 1) {
    out.write(`\n${verdicts.filter((v) => v.verdict === 'pass').length} of ${plans.length} scenarios pass\n`);
    out.write(`repeat: ${repro()}\n`);
  }
  return interrupted ? ExitCode.interrupted : exitCodeOf(verdicts);
}

/** Runs the plans of a job one after the other, for as long as `goOn` says so of the last one; what happens is told on `out`. */
export async function runJob({ lab, plans, seed, defects, repro }: Job, flags: RunFlags, out: NodeJS.WriteStream, goOn: (last: RunOutcome) => boolean = () => true): Promise<{ outcomes: RunOutcome[]; interrupted: boolean; git: string }> {
  const inventory = inventoryOf({ ...flags, lab });
  const git = await gitCommit();
  out.write(`pathproof ${packageVersion} · seed ${seed} · git ${git} · ${process.argv.slice(2).map(shellQuote).join(' ')}${defects.length === 0 ? '' : ` · DEFECTS ON: ${defects.join(', ')}`}\n`);
  for (const { runDir, ended } of await removeAbandonedLabs()) {
    out.write(`cleaned up after a killed run (${relative(process.cwd(), runDir)}): ${ended.length === 0 ? 'nothing was running any more' : `ended ${ended.join(', ')}`}\n`);
  }

  const { signal, release } = interruptible(out, 'interrupted: healing faults, ending the lab and storing the run');
  const outcomes: RunOutcome[] = [];
  const provider = openProvider(lab, { ...(flags.keep === undefined ? {} : { keep: flags.keep }), ...(inventory === undefined ? {} : { inventory }) });
  try {
    for (const { plan, resolve } of plans) {
      const last = outcomes.at(-1);
      if (signal.aborted || (last !== undefined && !goOn(last))) break;
      const { runId, dir } = createRunDir(flags.results, plan.suite, plan.seed);
      const info: RunInfo = {
        format: 1, runId, suite: plan.suite, scenario: plan.scenario, seed: plan.seed, lab: plan.lab, git, version: packageVersion,
        argv: process.argv.slice(2), startedAt: new Date().toISOString(), repro: repro(plan.scenario),
        ...(flags.shard === undefined ? {} : { shard: shardText(flags.shard) }),
      };
      out.write(`\n${plan.suite}/${plan.scenario}: ${plan.title}\n`);
      const line = new StatusLine(out);
      const outcome = await executePlan(provider, resolve, info, dir, signal, { lab: labProgress(out), status: (status) => line.update(status), note: (text) => line.note(text) });
      line.end();
      outcomes.push(outcome);
      printOutcome(out, outcome, info);
    }
  } finally {
    await provider.close();
    release();
  }
  return { outcomes, interrupted: signal.aborted, git };
}

/** What would be done to the hosts of an inventory; nothing is. */
function dryRun(inventory: Inventory | undefined, plans: readonly Plan[], skips: Job['skips']): ExitCode {
  if (inventory === undefined) throw usageError('DRY_RUN', '--dry-run is for hosts of your own; other labs make theirs', 'Use --lab inventory --inventory FILE; `pathproof plan` shows the plans of any lab.');
  for (const { scenario, reason } of skips) process.stdout.write(`# skipped ${scenario}: ${reason}\n`);
  for (const { host, when, what, command } of plannedCommands(inventory, plans)) process.stdout.write(`# ${host}: ${what} (${when})\n${command}\n\n`);
  return ExitCode.pass;
}

function printOutcome(out: NodeJS.WriteStream, outcome: RunOutcome, info: RunInfo): void {
  printVerdict(out, outcome.result);
  if (outcome.error !== undefined) {
    out.write(`\nthe lab broke: ${outcome.error.message} [${outcome.error.code}]\n`);
    for (const line of outcome.error.details) out.write(`    ${line}\n`);
    if (outcome.error.hint !== undefined) out.write(`hint: ${outcome.error.hint}\n`);
  }
  if (outcome.manifestSha256 !== undefined) out.write(`evidence: manifest SHA-256 ${outcome.manifestSha256}\n`);
  out.write(`report: ${relative(process.cwd(), join(outcome.dir, runFiles.report))}\n`);
  out.write(`repeat: ${info.repro}\n`);
}

/** The command that repeats one scenario, or with `undefined` the whole selection. */
export function reproCommand(suiteFile: string, scenario: string | undefined, options: PlanOptions, filter?: string): string {
  const chosen = scenario ?? filter;
  return `${programName()} run ${shellQuote(relative(process.cwd(), suiteFile))} ${chosen === undefined ? '' : `--filter ${shellQuote(chosen)} `}${planArguments(options)}`;
}
