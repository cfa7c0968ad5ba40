import type { Safeguard } from '../monitor/index.js';
import { productionTimers } from '../plan/timers.js';
import { sleep } from '../util/clock.js';
import { compareTraces, type Comparison, type Periods } from './compare.js';
import { drive } from './driver.js';
import { ModelSide, type ModelSideOptions } from './model-side.js';
import { conformPool, type Monitors } from './monitors.js';
import { needsMonitorAlone, restartsMonitor, stepText, type Schedule } from './schedule.js';
import type { MonitorSide } from './side.js';
import { StallWatch } from './stall-watch.js';
import type { Trace } from './trace.js';

/**
 * - `same`: the model and the monitor showed the same.
 * - `known`: they differ, in the way that the schedule names, and the model without its safeguards agrees.
 * - `differs`: they differ.
 * - `unknown`: it could not be observed.
 * - `skipped`: it was not run here.
 */
export type ConformVerdict = 'same' | 'known' | 'differs' | 'unknown' | 'skipped';

export interface Attempt {
  verdict: ConformVerdict;
  /** Why it is not `same`. */
  why?: string;
  /** The model as the loopback lab runs it, compared with the monitor. */
  comparison: Comparison;
  /** The model without its safeguards, compared with the monitor. */
  bareComparison: Comparison;
  model: Trace;
  bare: Trace;
  monitor: Trace;
}

export interface ScheduleResult {
  schedule: Schedule;
  verdict: ConformVerdict;
  why?: string;
  /** The last one decides. An attempt beside others that was not `same` or `known` is repeated once, alone. */
  attempts: Attempt[];
}

export interface ConformOptions {
  schedules: readonly Schedule[];
  monitors: Monitors;
  /** Makes the model; a test puts one with a defect in its place. */
  createModel?: ModelSideOptions['create'];
  onResult?: (result: ScheduleResult) => void;
  signal?: AbortSignal;
}

/** Between the starts of two schedules: sixty that start at once would make the monitor late. */
const staggerMs = 150;

/**
 * Runs every schedule on the model, with and without its safeguards, and on the monitor, and compares.
 *
 * First all that can share a monitor, at the same time, each in a gateway group of its own. Then, each alone on its
 * monitor, those that restart it, and once more those that did not come out the same: a takeover that is decided while
 * another group's is being committed is not the same event.
 */
export async function conform({ schedules, monitors, createModel, onResult, signal }: ConformOptions): Promise<ScheduleResult[]> {
  const bench = new Bench(monitors, createModel, signal);
  try {
    return await runAll({ schedules, monitors, ...(onResult === undefined ? {} : { onResult }), ...(signal === undefined ? {} : { signal }) }, bench);
  } finally {
    bench.close();
  }
}

async function runAll({ schedules, monitors, onResult, signal }: Omit<ConformOptions, 'createModel'>, bench: Bench): Promise<ScheduleResult[]> {
  const results = new Map<Schedule, ScheduleResult>();
  const done = (result: ScheduleResult): void => {
    results.set(result.schedule, result);
    onResult?.(result);
  };
  const first = new Map<Schedule, Attempt>();
  const exclusive: Schedule[] = [];
  const models = bench.models();
  try {
    await Promise.all(schedules.filter((schedule) => !needsMonitorAlone(schedule)).map(async (schedule, i) => {
      await sleep(i * staggerMs, signal);
      const attempt = await bench.compare(schedule, models, monitors.sides[i % monitors.sides.length]!);
      first.set(schedule, attempt);
      if (attempt.verdict === 'same' || attempt.verdict === 'known') done(finished(schedule, [attempt]));
      else exclusive.push(schedule);
    }));
  } finally {
    await Promise.all(models.map((side) => side.close()));
  }
  exclusive.push(...schedules.filter((schedule) => needsMonitorAlone(schedule)));
  await Promise.all(monitors.sides.map(async (side) => {
    for (let schedule = exclusive.shift(); schedule !== undefined; schedule = exclusive.shift()) {
      const before = first.get(schedule);
      if (restartsMonitor(schedule) && side.restart === undefined) done({ schedule, verdict: 'skipped', why: 'it restarts the monitor, and this one is not ours', attempts: [] });
      else if (signal?.aborted === true) done(finished(schedule, before === undefined ? [] : [before]));
      else done(finished(schedule, [...(before === undefined ? [] : [before]), await bench.alone(schedule, side)]));
    }
  }));
  return schedules.map((schedule) => results.get(schedule)!);
}

function finished(schedule: Schedule, attempts: Attempt[]): ScheduleResult {
  const last = attempts.at(-1);
  if (last === undefined) return { schedule, verdict: 'unknown', why: 'interrupted', attempts };
  return { schedule, verdict: last.verdict, attempts, ...(last.why === undefined ? {} : { why: last.why }) };
}

type ModelPair = readonly [model: ModelSide, bare: ModelSide];

class Bench {
  readonly #monitors: Monitors;
  readonly #createModel: ConformOptions['createModel'];
  readonly #signal: AbortSignal | undefined;
  readonly #stalls = new StallWatch();
  readonly #run = Date.now().toString(36);
  #attempts = 0;

  constructor(monitors: Monitors, createModel: ConformOptions['createModel'], signal: AbortSignal | undefined) {
    this.#monitors = monitors;
    this.#createModel = createModel;
    this.#signal = signal;
  }

  models(): ModelPair {
    const make = (name: string, safeguards?: readonly Safeguard[]): ModelSide => new ModelSide({
      name, pool: conformPool, timers: this.#monitors.timers,
      ...(this.#createModel === undefined ? {} : { create: this.#createModel }), ...(safeguards === undefined ? {} : { safeguards }),
    });
    return [make('model'), make('model without safeguards', [])];
  }

  close(): void {
    this.#stalls.stop();
  }

  /** Nothing else goes on at `side` or at the models. */
  async alone(schedule: Schedule, side: MonitorSide): Promise<Attempt> {
    const models = this.models();
    try {
      return await this.compare(schedule, models, side);
    } finally {
      await Promise.all(models.map((model) => model.close()));
    }
  }

  async compare(schedule: Schedule, [modelSide, bareSide]: ModelPair, monitorSide: MonitorSide): Promise<Attempt> {
    const group = `${schedule.name}-${this.#run}-${this.#attempts++}`;
    const o = { pool: conformPool, group, stalls: this.#stalls, ...(this.#signal === undefined ? {} : { signal: this.#signal }) };
    const [model, bare, monitor] = await Promise.all([modelSide, bareSide, monitorSide].map((side) => drive(schedule, side, o)));
    return judge(schedule, { model: model!, bare: bare!, monitor: monitor! }, {
      beaconMs: productionTimers.beaconMs, tickMs: this.#monitors.timers.monTickMs, graceMs: this.#monitors.timers.beaconGraceMs, commitMs: { model: modelSide.commitMs, monitor: monitorSide.commitMs },
    });
  }
}

/** What three traces of one schedule say. */
export function judge(schedule: Schedule, traces: Pick<Attempt, 'model' | 'bare' | 'monitor'>, periods: Periods): Attempt {
  const texts = schedule.steps.map(stepText);
  const comparison = compareTraces(traces.model, traces.monitor, periods, texts);
  const bareComparison = compareTraces(traces.bare, traces.monitor, periods, texts);
  const attempt = (verdict: ConformVerdict, why?: string): Attempt => ({ verdict, ...(why === undefined ? {} : { why }), comparison, bareComparison, ...traces });

  const broken = [traces.monitor, traces.model, traces.bare].find((trace) => trace.broken !== undefined);
  if (broken !== undefined) return attempt('unknown', `${broken.side}: ${broken.broken!}`);
  const stallMs = Math.max(...[traces.monitor, traces.model, traces.bare].map(({ stallMaxMs }) => stallMaxMs));
  const gapMs = traces.monitor.sampleGapMaxMs;
  const still = (ms: number, who: string): string => `${who} for ${(ms / 1_000).toFixed(1)} s`;
  // Gateways that were silent for a grace have played another schedule than this one.
  if (stallMs > periods.graceMs / 2) return attempt('unknown', still(stallMs, 'the harness stood still'));
  if (traces.monitor.missedCommits > 0 && gapMs > periods.beaconMs) return attempt('unknown', still(gapMs, 'the monitor was not seen, and changed,'));
  if (comparison.differences.length === 0) return attempt('same');
  if (Math.max(stallMs, gapMs) > periods.beaconMs) return attempt('unknown', still(Math.max(stallMs, gapMs), 'the harness or the monitor stood still, which may be why they differ,'));
  if (bareComparison.differences.length > 0) return attempt('differs');
  const { known } = schedule;
  if (known === undefined) return attempt('differs', 'the model without its safeguards agrees with the monitor, but this schedule names no safeguard that makes a difference');
  return attempt('known', `${known.safeguard}: ${known.reason}`);
}
