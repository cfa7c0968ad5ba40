import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { openProvider } from '../lab/providers.js';
import { removeAbandonedLabs } from '../lab/registry.js';
import { planScenario, type PlanOptions } from '../plan/planner.js';
import { skipReason } from '../plan/fits.js';
import type { LabPlatform, Plan } from '../plan/types.js';
import { exitCodeOf } from '../results/exit-code.js';
import { storeSkip } from '../results/skip.js';
import { createRunDir, runFiles, type RunInfo } from '../results/store.js';
import { onGithub, runAnnotations, StatusLine } from '../report/index.js';
import { writeSummaries } from '../results/summaries.js';
import { executePlan, type RunOutcome } from '../run/runner.js';
import { ExitCode } from '../util/errors.js';
import { interruptible } from './interruptible.js';
import { filterScenarios, findSuite, loadSuite } from './load-suite.js';
import { addPlanOptions, planArguments, planOptions, type PlanFlags } from './options.js';
import { labProgress } from './lab-progress.js';
import { printVerdict } from './outcome.js';
import { gitCommit, packageVersion, programName, shellQuote } from './package.js';

interface RunFlags extends PlanFlags { results: string; json?: boolean; junit?: string; keep?: boolean }

export function addRunCommand(program: Command): void {
  addPlanOptions(program.command('run'))
    .description('run the scenarios of a suite and judge them')
    .argument('[suite]', 'name or path of a suite', 'smoke')
    .option('--results <dir>', 'folder of the results', 'results')
    .option('--keep', 'leave virtual machines up at the end, to look into them (`pathproof lab`)')
    .option('--json', 'print the verdicts as JSON on stdout (progress goes to stderr)')
    .option('--junit <file>', 'also write a JUnit XML file')
    .addHelpText('after', `
Examples:
  $ pathproof run
  $ pathproof run suites/failover.suite.ts --filter partition
  $ pathproof run smoke --seed 4f2a9c10 --gateways 4 --ana-groups 4 --namespaces 8
  $ pathproof run smoke --defect gateway.tear-write      must fail: the harness has to find it
  $ pathproof run failover --junit junit.xml --json > verdicts.json`)
    .action(async (argument: string, flags: RunFlags) => {
      process.exitCode = await runSuite(argument, flags);
    });
}

async function runSuite(argument: string, flags: RunFlags): Promise<ExitCode> {
  const file = findSuite(argument);
  const suite = await loadSuite(file);
  const options = planOptions(flags);
  // All plans first: a mistake in the last scenario must not be found after the others have run.
  const chosen = filterScenarios(suite, flags.filter);
  const skips = chosen.flatMap((s) => {
    const reason = skipReason(s, options.lab);
    return reason === undefined ? [] : [{ kind: 'skipped' as const, suite: suite.name, scenario: s.name, title: s.title, lab: options.lab, reason }];
  });
  const scenarios = chosen.filter((s) => skipReason(s, options.lab) === undefined);
  for (const scenario of scenarios) planScenario(suite.name, scenario, options);
  const git = await gitCommit();
  const out = flags.json === true ? process.stderr : process.stdout;
  out.write(`pathproof ${packageVersion} · seed ${options.seed} · git ${git} · ${process.argv.slice(2).map(shellQuote).join(' ')}${options.defects === undefined ? '' : ` · DEFECTS ON: ${options.defects.join(', ')}`}\n`);
  for (const { runDir, ended } of await removeAbandonedLabs()) {
    out.write(`cleaned up after a killed run (${relative(process.cwd(), runDir)}): ${ended.length === 0 ? 'nothing was running any more' : `ended ${ended.join(', ')}`}\n`);
  }

  const { signal, release } = interruptible(out, 'interrupted: healing faults, ending the lab and storing the run');
  const outcomes: RunOutcome[] = [];
  const provider = openProvider(options.lab, { ...(flags.keep === undefined ? {} : { keep: flags.keep }) });
  try {
    for (const scenario of scenarios) {
      if (signal.aborted) break;
      const resolve = (platform?: LabPlatform): Plan => planScenario(suite.name, scenario, { ...options, ...(platform === undefined ? {} : { platform }) });
      const plan = resolve();
      const { runId, dir } = createRunDir(flags.results, plan.suite, plan.seed);
      const info: RunInfo = {
        format: 1, runId, suite: plan.suite, scenario: plan.scenario, seed: plan.seed, lab: plan.lab, git, version: packageVersion,
        argv: process.argv.slice(2), startedAt: new Date().toISOString(), repro: reproCommand(file, plan.scenario, options),
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
  const verdicts = outcomes.map((o) => o.result.verdict);
  if (onGithub()) for (const line of runAnnotations([...outcomes.map((o) => o.result), ...skips])) out.write(`${line}\n`);
  writeSummaries([...outcomes.map((o) => o.result), ...skips], packageVersion, { ...(flags.junit === undefined ? {} : { junit: flags.junit }), ...(flags.json === true ? { json: process.stdout } : {}) });
  for (const skip of skips) {
    out.write(`skipped ${skip.scenario}: ${skip.reason}\n`);
    const { suite: name, scenario, title, lab, reason } = skip;
    await storeSkip(flags.results, { suite: name, scenario, title, lab, reason, seed: options.seed, git, version: packageVersion, argv: process.argv.slice(2) });
  }
  if (scenarios.length > 1) {
    out.write(`\n${verdicts.filter((v) => v.verdict === 'pass').length} of ${scenarios.length} scenarios pass\n`);
    out.write(`repeat: ${reproCommand(file, undefined, options, flags.filter)}\n`);
  }
  return signal.aborted ? ExitCode.interrupted : exitCodeOf(verdicts);
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
