import { openSync, readSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { RunVerdict } from '../verify/types.js';
import { judgeCell, type Cell, type Measured } from './matrix.js';

/** A run that takes longer is ended. Nothing in the suites comes near it, but what `wrap` waits for (a lock that others hold) counts, too. */
const runMaxMs = 2 * 60 * 60_000;

export interface ExecuteOptions {
  /** `node main.js`, and what else stands before `run`. */
  program: readonly string[];
  /** Words that go before the program, e.g. a lock that several users of the machine share. */
  wrap: readonly string[];
  /** Suite → its file. */
  suiteFile: (suite: string) => string;
  resultsDir: string;
  git: string;
  /** Keep the run's folder whatever came out. */
  keepAll: boolean;
  signal: AbortSignal;
}

/**
 * Makes one run in a process of its own, as a user would, and judges what it stored. A run without a verdict (it was
 * ended, or crashed) counts as crashed. The folders of runs that were as expected are removed, unless `keepAll`.
 */
export async function executeCell(cell: Cell, options: ExecuteOptions): Promise<Measured> {
  const [suite, scenario] = cell.scenario.split('/') as [string, string];
  const words = [
    ...options.wrap, ...options.program, 'run', options.suiteFile(suite), '--filter', scenario, '--seed', cell.seed, '--results', options.resultsDir, '--json',
    ...(cell.defect === null ? [] : ['--defect', cell.defect]),
  ];
  const startMs = Date.now();
  const child = await execa(words[0]!, words.slice(1), {
    reject: false, stdin: 'ignore', stderr: 'pipe', timeout: runMaxMs, forceKillAfterDelay: 20_000, cancelSignal: options.signal, env: { NO_COLOR: '1' }, maxBuffer: 64 * 1024 * 1024,
  });
  const atMs = Date.now();
  const common = { ...cell, git: options.git, atMs, durationS: Math.round((atMs - startMs) / 100) / 10 };
  const dir = runDirOf(child.stdout);
  if (dir === undefined) {
    const why = child.stderr.trim().split('\n').at(-1) ?? '';
    return { ...common, outcome: cell.defect === null ? 'alarm' : 'crashed', by: [], finding: `no verdict (exit code ${child.exitCode ?? child.signal ?? '?'}): ${why}`, afterS: null, dir: null };
  }
  const verdict = JSON.parse(readFileSync(join(dir, 'verdict.json'), 'utf8')) as RunVerdict;
  const judged = judgeCell(cell.defect, verdict, firstEventUs(dir));
  const expected = judged.outcome === 'quiet' || judged.outcome === 'detected' || judged.outcome === 'unmeasured';
  if (expected && !options.keepAll) rmSync(dir, { recursive: true, force: true });
  return { ...common, ...judged, dir: expected && !options.keepAll ? null : dir };
}

function runDirOf(stdout: string): string | undefined {
  try {
    return (JSON.parse(stdout) as { scenarios?: { runDir?: string }[] }).scenarios?.[0]?.runDir;
  } catch {
    return undefined;
  }
}

/** Time of the first event of a stored history; 0 if there is none. */
function firstEventUs(dir: string): number {
  const file = openSync(join(dir, 'history.ndjson'), 'r');
  try {
    const head = Buffer.alloc(64 * 1024);
    const text = head.subarray(0, readSync(file, head, 0, head.length, 0)).toString('utf8');
    return (JSON.parse(text.slice(0, text.indexOf('\n'))) as { tUs: number }).tUs;
  } catch {
    return 0;
  } finally {
    closeSync(file);
  }
}
