import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { renderThrash, type ThrashRecord, type ThrashRound } from '../results/thrash-report.js';
import { writeFileAtomic } from '../util/atomic-file.js';
import { ExitCode, infraError, messageOf } from '../util/errors.js';
import type { RunVerdict } from '../verify/types.js';
import { interruptible } from './interruptible.js';
import { findSuite, loadSuite } from './load-suite.js';
import { natural } from './options.js';
import { gitCommit, packageRoot, programName, shellQuote } from './package.js';

interface ThrashFlags { for: number; seed?: string; suite: string; results: string; keep: number; keepFailed: number; wrap?: string; defect?: string[] }

export function addThrashCommand(program: Command): void {
  program.command('thrash')
    .description('seeded random faults, round after round: a soak')
    .addOption(new Option('--for <duration>', 'how long, e.g. 90s, 30m, 8h; the round under way is finished').argParser(duration).default(600_000, '10m'))
    .option('--seed <seed>', 'of all rounds; round N has SEED-N (default: a new one)')
    .option('--suite <suite>', 'name or path of the suite whose scenarios take turns', 'thrash')
    .option('--results <dir>', 'folder of the results', 'results')
    .addOption(new Option('--keep <n>', 'folders of rounds that passed to keep, newest first').argParser(natural).default(3))
    .addOption(new Option('--keep-failed <n>', 'folders of rounds that did not pass to keep, oldest first').argParser(natural).default(50))
    .option('--defect <name...>', 'switch on defects of the loopback lab, to see them found')
    .option('--wrap <command>', 'put before every round, e.g. "flock -F /tmp/lab.lock nice"')
    .addHelpText('after', `
Each round is a run of its own process with a folder of its own, so that neither memory nor disk grow with time.
<results>/thrash-soak/<seed>/report.md and rounds.json are written after each round. Ctrl-C heals, stores the round
under way and keeps everything; once more leaves at once.

Examples:
  $ pathproof thrash --for 8h --seed night
  $ pathproof shrink results/thrash/<round>             the smallest schedule that still fails like this

Exit codes:
  0 every round passed · 1 one failed · 2 one could not tell · 3 the lab broke in one · 130 interrupted`)
    .action(async (flags: ThrashFlags) => {
      process.exitCode = await thrash(flags);
    });
}

async function thrash(flags: ThrashFlags): Promise<ExitCode> {
  const seed = flags.seed ?? randomBytes(4).toString('hex');
  const file = findSuite(flags.suite);
  const suite = await loadSuite(file);
  const dir = join(flags.results, 'thrash-soak', seed);
  const record: ThrashRecord = {
    format: 1, suite: suite.name, seed, git: await gitCommit(), startedAt: new Date().toISOString(), forMs: flags.for, defects: flags.defect ?? [], rounds: [], counts: { pass: 0, fail: 0, unknown: 0, infra: 0 },
    repeat: `${programName()} thrash --for ${Math.round(flags.for / 1_000)}s --seed ${shellQuote(seed)}${flags.suite === 'thrash' ? '' : ` --suite ${shellQuote(relative(process.cwd(), file))}`}`,
  };
  process.stdout.write(`pathproof thrash · seed ${seed} · git ${record.git} · ${suite.scenarios.map(({ name }) => name).join(', ')} in turn for ${Math.round(flags.for / 1_000)} s${record.defects.length === 0 ? '' : ` · DEFECTS ON: ${record.defects.join(', ')}`}\n`);
  const { signal, release } = interruptible(process.stdout, 'interrupted: the round under way heals, ends and is stored');
  const untilMs = performance.now() + flags.for;
  try {
    for (let n = 1; performance.now() < untilMs && !signal.aborted; n++) {
      const round = await oneRound(n, `${seed}-${n}`, suite.scenarios[(n - 1) % suite.scenarios.length]!.name, file, flags, signal);
      addRound(record, round, flags);
      write(dir, record);
      process.stdout.write(`round ${n}: ${round.verdict.padEnd(7)} ${round.scenario} ${round.seed}  ${Math.round(round.durationMs / 1_000)} s  ${round.faults} fault(s)${round.summary === '' ? '' : `  ${round.summary.slice(0, 160)}`}\n`);
    }
  } finally {
    release();
  }
  process.stdout.write(`${record.counts.pass} pass, ${record.counts.fail} fail, ${record.counts.unknown} unknown, ${record.counts.infra} infra\nreport: ${join(dir, 'report.md')}\nrepeat: ${record.repeat}\n`);
  if (signal.aborted) return ExitCode.interrupted;
  const { fail, infra, unknown } = record.counts;
  return fail > 0 ? ExitCode.fail : infra > 0 ? ExitCode.infra : unknown > 0 || record.counts.pass === 0 ? ExitCode.unknown : ExitCode.pass;
}

async function oneRound(n: number, seed: string, scenario: string, file: string, flags: ThrashFlags, signal: AbortSignal): Promise<ThrashRound> {
  const startMs = Date.now();
  const words = [
    ...(flags.wrap?.split(/\s+/).filter((word) => word !== '') ?? []), process.execPath, join(packageRoot, 'dist', 'src', 'cli', 'main.js'),
    'run', file, '--filter', scenario, '--seed', seed, '--results', flags.results, '--json', ...(flags.defect === undefined ? [] : ['--defect', ...flags.defect]),
  ];
  // Asked to end once: then it heals, stores and judges by itself, which takes a while.
  const child = await execa(words[0]!, words.slice(1), { reject: false, stdin: 'ignore', stderr: 'pipe', cancelSignal: signal, forceKillAfterDelay: 60_000, maxBuffer: 64 * 1024 * 1024 });
  const round = { round: n, seed, scenario, durationMs: Date.now() - startMs, atMs: Date.now() };
  try {
    const summary = JSON.parse(child.stdout) as { scenarios: { runDir: string }[] };
    const { runDir } = summary.scenarios[0]!;
    const verdict = JSON.parse(readFileSync(join(runDir, 'verdict.json'), 'utf8')) as RunVerdict;
    const worst = verdict.checks.find((check) => check.verdict === verdict.verdict);
    return {
      ...round, verdict: verdict.verdict, dir: runDir, faults: verdict.checks.find(({ checker }) => checker === 'fault-took')?.metrics['faults'] ?? 0,
      summary: verdict.verdict === 'pass' ? '' : `${worst?.checker ?? 'interrupted'}: ${worst?.summary ?? ''}`, failed: verdict.checks.filter((check) => check.verdict === 'fail').map(({ checker }) => checker),
    };
  } catch {
    const why = child.stderr.trim().split('\n').at(-1) ?? '';
    return { ...round, verdict: 'infra', dir: null, faults: 0, summary: `no verdict (exit code ${child.exitCode ?? child.signal ?? '?'}): ${why}`, failed: [] };
  }
}

/** Counts every round; keeps the folders of as many as wanted, and in the list no more than there is use for. */
function addRound(record: ThrashRecord, round: ThrashRound, { keep, keepFailed }: ThrashFlags): void {
  record.counts[round.verdict] += 1;
  record.rounds.push(round);
  const passed = record.rounds.filter(({ verdict, dir }) => verdict === 'pass' && dir !== null);
  const others = record.rounds.filter(({ verdict, dir }) => verdict !== 'pass' && dir !== null);
  for (const old of [...passed.slice(0, -keep), ...others.slice(keepFailed)]) {
    rmSync(old.dir!, { recursive: true, force: true });
    old.dir = null;
  }
  const listMax = 1_000;
  // The oldest rounds that passed leave the list; they stay counted.
  while (record.rounds.length > listMax) {
    const at = record.rounds.findIndex(({ verdict }) => verdict === 'pass');
    record.rounds.splice(Math.max(0, at), 1);
  }
}

function write(dir: string, record: ThrashRecord): void {
  try {
    mkdirSync(dir, { recursive: true });
    writeFileAtomic(join(dir, 'rounds.json'), `${JSON.stringify(record, null, 1)}\n`);
    writeFileAtomic(join(dir, 'report.md'), renderThrash(record));
  } catch (error) {
    throw infraError('THRASH_WRITE', `cannot write into ${dir}: ${messageOf(error)}`, { hint: 'Is the disk full?', cause: error });
  }
}

function duration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined || Number(number) <= 0) throw new InvalidArgumentError('A duration such as 90s, 30m or 8h is wanted.');
  return Math.round(Number(number) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'm' | 'h' | 'd']);
}
