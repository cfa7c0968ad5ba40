import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { EventBody } from '../history/events.js';
import { HistoryWriter } from '../history/writer.js';
import type { LabProvider, ProviderProgress } from '../lab/provider.js';
import type { HostNode, Lab } from '../lab/types.js';
import { ResourceWatch } from '../observe/resources.js';
import { LiveView } from '../observe/live-view.js';
import { watchRunWaits } from '../observe/run-waits.js';
import { watchSelf } from '../observe/self-watch.js';
import { boundMs } from '../plan/bounds.js';
import type { AwaitCondition, LabPlatform, Plan, PlanStep } from '../plan/types.js';
import { runFiles, writeRunFile, type RunInfo } from '../results/store.js';
import { nowUs, settlesWithin, sleep } from '../util/clock.js';
import { infraError, messageOf, PathproofError } from '../util/errors.js';
import type { RanScenario } from '../report/index.js';
import { FaultBoard } from './faults.js';
import { RunFio } from './fio.js';
import { judgeRun } from '../results/judge.js';
import { sealRun } from '../results/manifest.js';

/** What a run shows while it goes on. All optional; a vitest run shows nothing. */
export interface RunProgress {
  /** Called about four times a second. */
  status?: (status: { elapsedMs: number; iops: number; mibPerS: number; fioIops?: number | undefined; owners: Record<string, string | null>; fault: string | null; phase: string }) => void;
  note?: (line: string) => void;
  /** The steps in which a lab of machines is made. */
  lab?: ProviderProgress;
}

export interface RunOutcome {
  result: RanScenario;
  /** Why the lab broke, when it did. */
  error: PathproofError | undefined;
  dir: string;
  /** SHA-256 of the run's manifest; undefined: it could not be written. */
  manifestSha256: string | undefined;
}

const statusPeriodMs = 250;

/**
 * Executes one plan: brings the lab up, drives the workload, walks the steps, re-reads everything, takes
 * the lab down and judges what was stored. The plan is resolved once as things usually are, to make the provider ready,
 * and then with what the provider has found out about the lab's nodes. Teardown is queued before setup runs. Whatever goes wrong in
 * between, the history is closed and judged; only a run folder that cannot be written makes it throw.
 *
 * `signal` interrupts it: faults are healed, processes end, the run is stored and marked interrupted.
 */
export async function executePlan(provider: LabProvider, resolve: (platform?: LabPlatform) => Plan, info: RunInfo, dir: string, signal: AbortSignal, progress: RunProgress = {}): Promise<RunOutcome> {
  const prepared = await prepare(provider, resolve(), dir, signal, progress);
  const plan = prepared.platform === undefined ? resolve() : resolve(prepared.platform);
  const planText = `${JSON.stringify(plan, null, 2)}\n`;
  writeRunFile(dir, runFiles.plan, planText);
  writeRunFile(dir, runFiles.run, info);

  const abort = new AbortController();
  const view = new LiveView(plan.topology.hosts.map(({ name }) => name));
  let failure: PathproofError | undefined = prepared.failure;
  const fail = (error: unknown): void => {
    failure ??= error instanceof PathproofError ? error : infraError('RUN_FAILED', messageOf(error), { cause: error });
    abort.abort();
  };
  const history = HistoryWriter.open(join(dir, runFiles.history), { onError: fail });
  history.on((event) => view.apply(event));
  const emit = (event: EventBody): void => void history.append(event);
  emit({
    type: 'run.start', runId: info.runId, suite: plan.suite, scenario: plan.scenario, seed: plan.seed, lab: plan.lab, git: info.git, argv: info.argv,
    version: info.version, planSha256: createHash('sha256').update(planText).digest('hex'), defects: plan.defects,
  });

  const interrupted = (): void => abort.abort();
  if (signal.aborted) interrupted();
  signal.addEventListener('abort', interrupted, { once: true });

  let phase = 'lab-up';
  const setPhase = (name: string, detail?: string): void => {
    phase = name;
    emit({ type: 'run.phase', phase: name, ...(detail === undefined ? {} : { detail }) });
  };
  const lab = provider.create(plan, { runId: info.runId, runDir: dir, version: info.version, sink: (node, event, errUs = 0) => void history.append(event, { node, offUs: 0, errUs }) });
  void lab.broken.then((reason) => {
    const [first, ...details] = reason.split('\n');
    fail(infraError('LAB_BROKE', first!, { details }));
  });
  const board = new FaultBoard({ lab, view, plan, signal: abort.signal, emit });

  let fio: RunFio | undefined;
  const startedUs = nowUs();
  const stopSelfWatch = watchSelf('harness', emit);
  const stopWaitWatch = watchRunWaits(() => [{ name: 'harness', pid: process.pid }, ...lab.processes()], emit);
  // From outside, too: a paused or starved member cannot report itself.
  const resources = new ResourceWatch({
    processes: () => lab.processes(), emit: (event) => void history.append(event),
    onError: (error) => emit({ type: 'log', level: 'warn', message: `the members' resources cannot be read: ${error.message}` }),
  });
  const ticker = setInterval(() => {
    progress.status?.({
      elapsedMs: (nowUs() - startedUs) / 1_000, iops: view.iops, mibPerS: view.bytesPerSecond / 1_048_576, fioIops: view.fioIops,
      owners: Object.fromEntries(loadedGroups(plan).map((group) => [group, view.ownerOf(group)])),
      fault: board.current, phase,
    });
  }, statusPeriodMs);

  try {
    if (failure !== undefined) throw failure;
    setPhase('lab-up');
    await untilAborted(abort.signal, lab.up((step) => setPhase('lab-up', step)));
    const product = await lab.product?.();
    if (product !== undefined) emit({ type: 'run.product', ...product });
    fio = new RunFio(plan, lab, emit);
    await untilAborted(abort.signal, walk({ plan, lab, view, board, fio, setPhase, signal: abort.signal, emit, note: progress.note }));
  } catch (error) {
    if (!(error instanceof Interrupted) && error !== failure) fail(error);
  }
  const wasInterrupted = failure === undefined && signal.aborted;
  // Before the heals: what fio still does must not wait for them.
  await fio?.kill().catch(fail);
  await board.healAll();
  clearInterval(ticker);
  stopSelfWatch();
  stopWaitWatch();
  await resources.stop();
  emit({
    type: 'run.end', reason: failure !== undefined ? 'infra' : wasInterrupted ? 'interrupted' : 'completed',
    ...(failure === undefined ? {} : { message: failure.message }),
  });
  history.close();
  abort.abort();
  signal.removeEventListener('abort', interrupted);
  await lab.down().catch((error: unknown) => fail(infraError('LAB_DOWN', `the lab did not go down cleanly: ${messageOf(error)}`, { cause: error })));
  // Nobody writes to the evidence any more: it is sealed before anything is made from it.
  const manifestSha256 = await sealRun(dir, info).catch((error: unknown) => {
    fail(error);
    return undefined;
  });
  return { result: await judgeRun(dir, { by: 'run', version: info.version }), error: failure, dir, manifestSha256 };
}

/** What the provider found; without it when it failed, or when somebody interrupted it, which is no failure. */
async function prepare(provider: LabProvider, plan: Plan, dir: string, signal: AbortSignal, progress: RunProgress): Promise<{ platform?: LabPlatform; failure?: PathproofError }> {
  try {
    return { platform: await provider.prepare(plan, { signal, logDir: join(dir, 'logs'), progress: progress.lab ?? (() => undefined) }) };
  } catch (error) {
    if (signal.aborted) return {};
    return { failure: error instanceof PathproofError ? error : infraError('LAB_PREPARE', messageOf(error), { cause: error }) };
  }
}

class Interrupted extends Error {}

/** The promise's result, or `Interrupted` as soon as the signal aborts. */
async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  if (signal.aborted) throw new Interrupted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Interrupted());
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

interface Walk {
  plan: Plan;
  lab: Lab;
  view: LiveView;
  board: FaultBoard;
  fio: RunFio;
  signal: AbortSignal;
  setPhase: (name: string, detail?: string) => void;
  emit: (event: EventBody) => void;
  note: ((line: string) => void) | undefined;
}

async function walk(w: Walk): Promise<void> {
  const { plan, lab } = w;
  w.setPhase('connect');
  const missing = (await onHosts(lab, missingAt)).flat();
  if (missing.length > 0) return unconnected(w, missing.map(({ host, what }) => (lab.hosts.size > 1 ? `${what} at ${host}` : what)));
  await awaitCondition(w, { kind: 'home' }, 'homeAwait', { needsIo: false });
  if (w.fio.wanted) {
    w.setPhase('fio-prefill');
    await w.fio.prepare();
    if (w.signal.aborted) return;
    // What is judged begins afterwards: on a slow processor the start of fio alone makes everything else late.
    w.setPhase('fio-start');
    await w.fio.start();
    if (w.signal.aborted) return;
  }
  await onHosts(lab, (host) => host.inventory('start'));
  await onHosts(lab, (host) => host.startLoad());
  for (const [index, step] of plan.steps.entries()) {
    // A wait that an abort cut short returns like one that is over: nothing more may be done to the lab.
    if (w.signal.aborted) return;
    await walkStep(w, step, index);
  }
  if (w.signal.aborted) return;
  w.setPhase('stop-load');
  await Promise.all([onHosts(lab, (host) => host.stopLoad()), w.fio.finish()]);
  if (w.signal.aborted) return;
  w.setPhase('reread-at-once');
  if (await reread(w, 'at-once')) {
    await audit(w);
    await rereadLater(w);
  }
  if (w.signal.aborted) return;
  await onHosts(lab, (host) => host.inventory('end'));
  if (w.fio.wanted) await endFio(w);
  if (w.signal.aborted) return;
  w.setPhase('end');
}

/**
 * After the judged period, as its start was before: an fio that stores its logs, or starts, makes the observers of a slow machine
 * late. What lands late in the store has had the time of the re-reads to do so, before fio verifies.
 */
async function endFio(w: Walk): Promise<void> {
  w.setPhase('fio-stop');
  await w.fio.stop();
  if (w.signal.aborted) return;
  w.setPhase('fio-verify');
  await w.fio.verify();
}

/** The same at every host, at the same time; the results in the order of the plan. */
function onHosts<T>(lab: Lab, work: (host: HostNode) => Promise<T>): Promise<T[]> {
  return Promise.all([...lab.hosts.values()].map(work));
}

/** Connects a host; the namespaces to which it found no path. */
async function missingAt(host: HostNode): Promise<{ host: string; what: string }[]> {
  const connected = await host.connect();
  return (connected?.missing ?? []).map((what) => ({ host: host.name, what }));
}

/** The gateways serve, but a host found no path to some namespaces: that is judged, and there is nothing else to do. */
async function unconnected(w: Walk, missing: string[]): Promise<void> {
  const text = `no usable path to ${missing.join(', ')}`;
  w.note?.(text);
  w.emit({ type: 'log', level: 'error', message: text });
  await onHosts(w.lab, (host) => host.inventory('start'));
  await onHosts(w.lab, (host) => host.inventory('end'));
  w.setPhase('end');
}

/** An audit of paths that refuse everything takes a moment; one that hangs is left, and its reads stay without an end. */
const auditMaxMs = 10_000;

async function audit(w: Walk): Promise<void> {
  const audits = [...w.lab.hosts.values()].flatMap((host) => (host.audit === undefined ? [] : [() => host.audit!()]));
  if (audits.length === 0 || w.signal.aborted) return;
  w.setPhase('audit');
  const done = Promise.all(audits.map((start) => start()));
  const result = (await settlesWithin(done, auditMaxMs, w.signal)) ? await done : undefined;
  w.emit({ type: 'log', level: result === undefined ? 'warn' : 'info', message: result === undefined ? `the audit was left after ${auditMaxMs} ms` : `audit: ${sum(result.map(({ refused }) => refused))} reads on inaccessible paths refused, ${sum(result.map(({ answered }) => answered))} answered` });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

/** The delayed re-read, again and again for as long as the plan wants: what lands late may land at any time. */
async function rereadLater(w: Walk): Promise<void> {
  const { delayedRereadMs, rereadForMs = 0 } = w.plan.workload;
  const untilUs = nowUs() + rereadForMs * 1_000;
  do {
    w.setPhase('settle', `${delayedRereadMs} ms before the delayed re-read`);
    await sleep(delayedRereadMs, w.signal);
    if (w.signal.aborted) return;
    w.setPhase('reread-delayed');
    if (!(await reread(w, 'delayed'))) return;
  } while (nowUs() < untilUs && !w.signal.aborted);
}

/** A re-read moves at least this much each second on any machine that can run the lab at all, bytes. */
const rereadBytesPerSecondMin = 1_048_576;

/**
 * Re-reads everything, for as long as a working system needs at most. One that hangs is given up: false,
 * and the checkers find a stall and blocks that were not re-read.
 */
async function reread(w: Walk, pass: 'at-once' | 'delayed'): Promise<boolean> {
  const bytes = w.plan.workload.workingSetBlocks * w.plan.shape.blockSize * w.plan.topology.namespaces.length;
  const limitMs = boundMs(w.plan.bounds, 'homeAwait') + (bytes / rereadBytesPerSecondMin) * 1_000;
  const inTime = await settlesWithin(onHosts(w.lab, (host) => host.reread(pass)), limitMs, w.signal);
  if (!inTime && !w.signal.aborted) {
    w.note?.(`the re-read (${pass}) hangs: given up after ${Math.round(limitMs)} ms`);
    w.emit({ type: 'log', level: 'warn', message: `the re-read (${pass}) was given up after ${Math.round(limitMs)} ms` });
  }
  return inTime;
}

async function walkStep(w: Walk, step: PlanStep, index: number): Promise<void> {
  if (step.do !== 'inject' && step.do !== 'heal') await w.board.confirmations();
  switch (step.do) {
    case 'phase':
      w.setPhase(step.name);
      break;
    case 'run':
      await sleep(step.forMs, w.signal);
      break;
    case 'inject':
      w.note?.(`inject ${step.fault} at ${step.target}`);
      await w.board.inject(step);
      break;
    case 'heal':
      w.note?.(`heal ${step.id}`);
      await w.board.heal(step.id, step.confirm);
      break;
    case 'await':
      await awaitCondition(w, step.condition, step.bound, { needsIo: true });
      break;
  }
  w.emit({ type: 'log', level: 'info', message: `step ${index + 1} of ${w.plan.steps.length} done: ${step.do}` });
}

/** Waits for a condition; one that does not come true in time is noted, and judged by the checkers, not here. */
async function awaitCondition(w: Walk, condition: AwaitCondition, boundName: string, options: { needsIo: boolean }): Promise<void> {
  const timeoutMs = boundMs(w.plan.bounds, boundName);
  const fromUs = nowUs();
  const met = await w.view.waitFor(() => holds(w, condition, fromUs, options.needsIo), timeoutMs, w.signal);
  if (w.signal.aborted) return;
  const tookMs = Math.round((nowUs() - fromUs) / 1_000);
  const words = describeCondition(condition);
  w.note?.(met ? `${words} after ${tookMs} ms` : `${words}: not within ${timeoutMs} ms (${boundName})`);
  w.emit({ type: 'log', level: met ? 'info' : 'warn', message: met ? `${words} after ${tookMs} ms` : `${words}: not within ${boundName} (${timeoutMs} ms)` });
}

function holds(w: Walk, condition: AwaitCondition, fromUs: number, needsIo: boolean): boolean {
  const { plan, view } = w;
  switch (condition.kind) {
    case 'takeover': {
      const takers = view.optimizedAt(condition.group).filter((gateway) => gateway !== condition.not);
      return takers.length > 0 && view.monitorSays(takers[0]!, condition.group) === 'ACTIVE' && (!needsIo || ioGoesOn(w, condition.group, fromUs));
    }
    case 'owner':
      return view.ownerOf(condition.group) === condition.gateway && (!needsIo || ioGoesOn(w, condition.group, fromUs));
    case 'home':
      return loadedGroups(plan).every((group) => {
        const home = plan.topology.gateways.find((g) => g.anaGroup === group)!.name;
        return view.ownerOf(group) === home && view.monitorSays(home, group) === 'ACTIVE' && (!needsIo || ioGoesOn(w, group, fromUs));
      }) && plan.topology.gateways.every((g) => view.connectedTo(g.name));
  }
}

/** Every loaded namespace of the group completed writes in a window that began after `fromUs`. */
function ioGoesOn(w: Walk, group: number, fromUs: number): boolean {
  return w.plan.topology.namespaces.filter((n) => n.anaGroup === group && !n.idle)
    .every((n) => (w.view.ioSince(n.nsid, fromUs)?.writes ?? 0) > 0);
}

function describeCondition(condition: AwaitCondition): string {
  switch (condition.kind) {
    case 'takeover':
      return `ANA group ${condition.group} taken over from ${condition.not}`;
    case 'owner':
      return `ANA group ${condition.group} at ${condition.gateway}`;
    case 'home':
      return 'every ANA group at its own gateway';
  }
}

/** ANA groups that have namespaces. */
function loadedGroups(plan: Plan): number[] {
  return [...new Set(plan.topology.namespaces.map((n) => n.anaGroup))].sort((a, b) => a - b);
}
