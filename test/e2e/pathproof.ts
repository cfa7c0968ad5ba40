import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HistoryEvent } from '../../src/history/events.js';
import { processStartTime } from '../../src/lab/process-identity.js';
import type { RunVerdict } from '../../src/verify/types.js';

/** Runs the built command line (dist/, which `npm test` builds first) as a user would, in folders of its own. */
export const mainFile = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface Sandbox { dir: string; results: string; state: string; remove(): void }

/** `linked`: pathproof can be imported there, as after an `npm install`. */
export function sandbox({ linked = true } = {}): Sandbox {
  const dir = mkdtempSync(join(tmpdir(), 'pathproof-e2e-'));
  if (linked) {
    mkdirSync(join(dir, 'node_modules'));
    symlinkSync(fileURLToPath(new URL('../..', import.meta.url)), join(dir, 'node_modules', 'pathproof'));
  }
  return { dir, results: join(dir, 'results'), state: join(dir, 'state'), remove: () => rmSync(dir, { recursive: true, force: true }) };
}

export interface Running { child: ChildProcess; output: () => string; finished: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }> }

export function start(box: Sandbox, args: string[], options: { shell?: string } = {}): Running {
  const words = [process.execPath, mainFile, ...args];
  const env = { ...process.env, PATHPROOF_STATE: box.state, NO_COLOR: '1' };
  // `shell` goes before the command in bash, e.g. a ulimit.
  const child = options.shell === undefined
    ? spawn(words[0]!, words.slice(1), { cwd: box.dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
    : spawn('bash', ['-c', `${options.shell}; exec "$@"`, 'bash', ...words], { cwd: box.dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const finished = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null, stdout, stderr }));
  return { child, output: () => stdout + stderr, finished };
}

export async function pathproof(box: Sandbox, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return start(box, args).finished;
}

/** Runs of `provenRun` at most. */
const attempts = 3;

/**
 * `pathproof run …` of a test whose business is not the machine: a run that fails nothing but of which self-watch says that
 * the machine did not let it go on evenly has proved nothing, and is made again, which is said. As in `npm run test:lab`.
 */
export async function provenRun(box: Sandbox, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  for (let attempt = 1; ; attempt++) {
    const before = new Set(runDirs(box));
    const result = await pathproof(box, 'run', ...args);
    const fresh = runDirs(box).filter((dir) => !before.has(dir));
    if (result.code !== 2 || attempt === attempts || !fresh.some(wasUneven)) return result;
    console.warn(`run ${args.join(' ')} proved nothing (self-watch): attempt ${attempt + 1} of ${attempts}`);
    for (const dir of fresh) rmSync(dir, { recursive: true });
  }
}

function wasUneven(dir: string): boolean {
  const { checks } = readVerdict(dir);
  return checks.some(({ checker, verdict }) => checker === 'self-watch' && verdict === 'unknown') && checks.every(({ verdict }) => verdict === 'pass' || verdict === 'unknown');
}

/** The folders of all runs of a sandbox, oldest first. */
export function runDirs(box: Sandbox): string[] {
  const list = (dir: string): string[] => {
    try {
      return readdirSync(dir).map((name) => join(dir, name));
    } catch {
      return [];
    }
  };
  return list(box.results).flatMap(list).sort();
}

export function readVerdict(dir: string): RunVerdict {
  return JSON.parse(readFileSync(join(dir, 'verdict.json'), 'utf8')) as RunVerdict;
}

/** Whole lines of the history as far as it goes; [] while there is none. */
export function readEvents(dir: string): HistoryEvent[] {
  let text: string;
  try {
    text = readFileSync(join(dir, 'history.ndjson'), 'utf8');
  } catch {
    return [];
  }
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as HistoryEvent);
}

/** Waits until the newest run's history satisfies the condition; throws with the output so far after the limit. */
export async function untilHistory(box: Sandbox, running: Running, condition: (events: HistoryEvent[]) => boolean, limitMs = 60_000): Promise<{ dir: string; events: HistoryEvent[] }> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const dir = runDirs(box).at(-1);
    const events = dir === undefined ? [] : readEvents(dir);
    if (dir !== undefined && condition(events)) return { dir, events };
    if (Date.now() > deadline || running.child.exitCode !== null) throw new Error(`the condition did not come true:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Pids of all members that a run ever started. */
export function memberPids(events: HistoryEvent[]): number[] {
  return events.flatMap((e) => (e.type === 'node' && e.state === 'started' && e.pid !== undefined ? [e.pid] : []));
}

export function alive(pids: number[]): number[] {
  return pids.filter((pid) => processStartTime(pid) !== undefined);
}
