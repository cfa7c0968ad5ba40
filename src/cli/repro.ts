import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Option, type Command } from 'commander';
import type { ReproReport } from '../report/schema.js';
import { labKinds, type LabKind } from '../plan/types.js';
import { exitCodeOf } from '../results/exit-code.js';
import { readPlan, readRunVerdict, runFiles } from '../results/store.js';
import { likenessOf } from '../shrink/likeness.js';
import { ExitCode } from '../util/errors.js';
import { natural } from './options.js';
import { planJob, runJob } from './run.js';

interface ReproFlags { lab?: LabKind; inventory?: string; tries: number; whole?: boolean; keep?: boolean; results: string; json?: boolean }

export function addReproCommand(program: Command): void {
  program.command('repro')
    .description('run the plan of a stored run again, here or on another lab, and say whether it ends as it did')
    .argument('<run>', 'folder of the stored run')
    .addOption(new Option('--lab <kind>', 'another lab of the same parts: plans for qemu and vagrant run on both (default: the run’s own)').choices(labKinds))
    .option('--inventory <file>', 'your own hosts: the file that names them, for a run on such')
    .addOption(new Option('--tries <n>', 'runs until one ends as the stored one did').argParser(natural).default(1))
    .option('--whole', 'the run’s own plan, though `pathproof shrink` has stored a smaller one (repro.json)')
    .option('--results <dir>', 'folder of the new results', 'results')
    .option('--keep', 'leave virtual machines up at the end, to look into them (`pathproof lab`)')
    .option('--json', 'print the outcome as JSON on stdout (progress goes to stderr)')
    .addHelpText('after', `
Two failures are the same if the same checker found the same kind of thing.

Examples:
  $ pathproof repro results/failover/20261121T101500123Z-4f2a9c10
  $ pathproof repro results/failover/20261121T101500123Z-4f2a9c10 --lab vagrant --keep    a nightly's failure, on machines that stay
  $ pathproof repro results/smoke/20261121T101500123Z-4f2a9c10 --tries 10 --json

Exit codes, of the last run: 0 pass · 1 the system under test failed · 2 unknown · 3 the lab broke · 130 interrupted`)
    .action(async (dir: string, flags: ReproFlags) => {
      process.exitCode = await repro(dir, flags);
    });
}

async function repro(dir: string, { lab, tries, whole, json, ...flags }: ReproFlags): Promise<ExitCode> {
  const plan = readPlan(dir);
  const stored = readRunVerdict(dir);
  const smaller = join(dir, runFiles.repro);
  const file = whole !== true && existsSync(smaller) ? smaller : join(dir, runFiles.plan);
  const runFlags = { ...flags, lab: lab ?? plan.lab };
  const job = planJob(file, runFlags, lab !== undefined);
  const out = json === true ? process.stderr : process.stdout;
  out.write(`the plan of ${relative(process.cwd(), dir) || '.'}${file === smaller ? ', made smaller by `pathproof shrink`' : ''}\n`);
  const { outcomes, interrupted } = await runJob({ ...job, plans: Array.from({ length: tries }, () => job.plans).flat() }, runFlags, out, ({ result }) => !likenessOf(stored, result.verdict).alike);
  const runs = outcomes.map(({ dir: runDir, result: { verdict } }) => ({ runDir, verdict: verdict.verdict, ...likenessOf(stored, verdict) }));
  const last = runs.at(-1);
  const reproduced = last?.alike === true;
  if (last !== undefined) out.write(`\n${reproduced ? '' : 'not reproduced: '}${last.text}${tries === 1 ? '' : ` (run ${runs.length} of ${tries})`}\n`);
  if (json === true) process.stdout.write(`${JSON.stringify({ format: 1, tool: 'pathproof', kind: 'repro', stored: { runDir: dir, verdict: stored.verdict }, plan: file, reproduced, runs } satisfies ReproReport, null, 2)}\n`);
  return interrupted ? ExitCode.interrupted : exitCodeOf(outcomes.slice(-1).map(({ result }) => result.verdict));
}
