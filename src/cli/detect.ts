import { mkdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { Option, type Command } from 'commander';
import { executeCell } from '../detect/execute.js';
import { cellsOf, counted, emptyMatrix, openCells, type Matrix, type MatrixRequest, type Measured } from '../detect/matrix.js';
import { renderMatrix } from '../detect/render.js';
import { defectNames, type DefectName } from '../plan/defects.js';
import { skipReason } from '../plan/fits.js';
import { writeFileAtomic } from '../util/atomic-file.js';
import { ExitCode, infraError, messageOf, usageError } from '../util/errors.js';
import { interruptible } from './interruptible.js';
import { findSuite, loadSuite } from './load-suite.js';
import { natural } from './options.js';
import { gitCommit, packageRoot } from './package.js';

/** Suites whose scenarios have to be quiet on the honest lab. */
const defaultSuites = ['smoke', 'failover', 'nightly', 'regressions'] as const;

interface DetectFlags {
  seeds: number; honestSeeds: number; defect?: string[]; resume?: boolean; render?: boolean; results: string; doc?: string; wrap?: string;
  jobs: number; repeats: number; maxRuns?: number; keepAll?: boolean; json?: boolean;
}

export function addDetectCommand(program: Command): void {
  program.command('detect')
    .description('measure what the harness finds: every defect, and the honest lab for false alarms')
    .addOption(new Option('--seeds <n>', 'seeds for each defect').argParser(natural).default(3))
    .addOption(new Option('--honest-seeds <n>', 'seeds for each scenario of the honest lab').argParser(natural).default(20))
    .addOption(new Option('--defect <name...>', 'only these; `none` is the honest lab').choices(['none', ...defectNames]))
    .option('--resume', 'go on with the stored matrix instead of starting a new one')
    .option('--render', 'run nothing, write the page from the stored matrix')
    .option('--results <dir>', 'folder of the results', 'results')
    .option('--doc <file>', 'also write the page to this file')
    .option('--wrap <command>', 'put before every run, e.g. "flock -F /tmp/lab.lock nice"')
    .addOption(new Option('--jobs <n>', 'runs at a time; each wants a machine for itself').argParser(natural).default(1))
    .addOption(new Option('--repeats <n>', 'how often a run is repeated that the machine was not fit for').argParser(natural).default(3))
    .addOption(new Option('--max-runs <n>', 'stop after so many runs; go on with --resume').argParser(natural))
    .option('--keep-all', 'keep the folders of all runs; otherwise only of surprises')
    .option('--json', 'print the matrix as JSON on stdout (progress goes to stderr)')
    .addHelpText('after', `
The matrix is in <results>/detect/matrix.json, written after each run; what is stopped goes on with --resume.

Examples:
  $ pathproof detect --seeds 3
  $ pathproof detect --defect gateway.tear-write none --seeds 1 --honest-seeds 1
  $ pathproof detect --resume --doc docs/DETECTION.md

Exit codes:
  0 every defect detected and no false alarm · 1 something escaped or a false alarm · 2 something could not be measured · 130 interrupted`)
    .action(async (flags: DetectFlags) => {
      process.exitCode = await detect(flags);
    });
}

async function detect(flags: DetectFlags): Promise<ExitCode> {
  const out = flags.json === true ? process.stderr : process.stdout;
  const dir = join(flags.results, 'detect');
  const file = join(dir, 'matrix.json');
  const request = await requestOf(flags);
  const stored = readMatrix(file);
  if (flags.render === true && stored === undefined) throw usageError('NO_MATRIX', `there is no matrix in ${file}`, 'Run `pathproof detect` first.');
  const matrix = (flags.resume === true || flags.render === true ? stored : undefined) ?? emptyMatrix(machineWords());
  const pages = [join(dir, 'DETECTION.md'), ...(flags.doc === undefined ? [] : [flags.doc])];
  let interrupted = false;
  if (flags.render !== true) {
    const { signal, release } = interruptible(out, 'interrupted: the run under way is ended, the matrix is stored; go on with --resume');
    try {
      await measure(flags, request, matrix, signal, out, () => {
        writeAside(file, `${JSON.stringify(matrix, null, 1)}\n`);
        for (const page of pages) writeAside(page, renderMatrix(matrix));
      });
    } finally {
      release();
    }
    interrupted = signal.aborted;
  }
  for (const page of pages) writeAside(page, renderMatrix(matrix));
  if (flags.json === true) process.stdout.write(`${JSON.stringify(matrix)}\n`);
  const wanted = cellsOf(request);
  const runs = counted(matrix).filter((run) => wanted.some((cell) => cell.defect === run.defect && cell.scenario === run.scenario && cell.seed === run.seed));
  out.write(`${tally(runs)}; page: ${pages.join(', ')}\n`);
  if (interrupted) return ExitCode.interrupted;
  if (runs.some(({ outcome }) => outcome === 'alarm' || outcome === 'escaped' || outcome === 'wrong-checker' || outcome === 'crashed')) return ExitCode.fail;
  return runs.length === wanted.length && runs.every(({ outcome }) => outcome === 'quiet' || outcome === 'detected') ? ExitCode.pass : ExitCode.unknown;
}

async function requestOf(flags: DetectFlags): Promise<MatrixRequest> {
  const scenarios = (await Promise.all(defaultSuites.map(async (name) => {
    const { scenarios: all } = await loadSuite(findSuite(name));
    return all.filter((scenario) => skipReason(scenario, 'loopback') === undefined).map((scenario) => `${name}/${scenario.name}`);
  }))).flat();
  const seeds = (prefix: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${prefix}${i + 1}`);
  const chosen = flags.defect?.map((name) => (name === 'none' ? null : name as DefectName)) ?? [null, ...defectNames];
  return { defects: chosen, honestScenarios: scenarios, seeds: seeds('d', flags.seeds), honestSeeds: seeds('h', flags.honestSeeds), repeatMax: flags.repeats };
}

async function measure(flags: DetectFlags, request: MatrixRequest, matrix: Matrix, signal: AbortSignal, out: NodeJS.WriteStream, save: () => void): Promise<void> {
  const git = await gitCommit();
  const total = cellsOf(request).length;
  const running = new Set<string>();
  let begun = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const cell = openCells(matrix, request).find((each) => !running.has(JSON.stringify(each)));
      if (cell === undefined || signal.aborted || begun >= (flags.maxRuns ?? Infinity)) return;
      begun += 1;
      const key = JSON.stringify(cell);
      running.add(key);
      const name = `${cell.defect ?? 'honest'} ${cell.scenario} ${cell.seed}`;
      progress(out, total - openCells(matrix, request).length, total, name);
      const measured = await executeCell(cell, {
        program: [process.execPath, join(packageRoot, 'dist', 'src', 'cli', 'main.js')], wrap: flags.wrap?.split(/\s+/).filter((word) => word !== '') ?? [],
        suiteFile: (suite) => findSuite(suite), resultsDir: join(flags.results, 'detect', 'runs'), git, keepAll: flags.keepAll === true, signal,
      });
      running.delete(key);
      if (signal.aborted) return;
      matrix.runs.push(measured);
      save();
      note(out, `${measured.outcome.padEnd(13)} ${name}  ${measured.durationS} s${measured.by.length > 0 ? `  by ${measured.by.join(', ')}` : ''}${measured.afterS === null ? '' : ` after ${measured.afterS} s`}${measured.dir === null ? '' : `  ${measured.dir}`}`);
    }
  };
  await Promise.all(Array.from({ length: flags.jobs }, worker));
}

const barWidth = 24;

function progress(out: NodeJS.WriteStream, done: number, total: number, what: string): void {
  const filled = Math.round((done / Math.max(1, total)) * barWidth);
  const line = `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}] ${done} of ${total}  ${what}`;
  if (out.isTTY) out.write(`\r\x1b[2K${line.slice(0, Math.max(1, out.columns - 1))}`);
  else if (done % 10 === 0) out.write(`${line}\n`);
}

function note(out: NodeJS.WriteStream, line: string): void {
  out.write(out.isTTY ? `\r\x1b[2K${line}\n` : `${line}\n`);
}

function tally(runs: readonly Measured[]): string {
  const outcomes = new Map<string, number>();
  for (const { outcome } of runs) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  return [...outcomes].map(([outcome, n]) => `${n} ${outcome}`).join(', ') || 'nothing measured';
}

function readMatrix(file: string): Matrix | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const matrix = JSON.parse(text) as Matrix;
  if (matrix.format !== 1) throw usageError('BAD_MATRIX', `${file}: format ${String(matrix.format)} is not known to this version`);
  return matrix;
}

function writeAside(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileAtomic(file, text);
  } catch (error) {
    throw infraError('MATRIX_WRITE', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** Enough to read the times by, and nothing that names the machine. */
function machineWords(): string {
  const processors = cpus();
  return `${processors.length} processors (${processors[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.versions.node}`;
}
