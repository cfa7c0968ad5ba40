import { vi } from 'vitest';
import type { GatewayMonitorModel, MonitorTimers, Safeguard } from '../../monitor/index.js';
import { productionTimers } from '../../plan/timers.js';
import { catalog } from '../catalog/index.js';
import { conform, type ScheduleResult } from '../conform.js';
import { ModelSide, type ModelSideOptions } from '../model-side.js';
import { conformPool } from '../monitors.js';
import type { MonitorSide } from '../side.js';

export const timers: MonitorTimers = { ...productionTimers, monTickMs: 2_000 };
type Create = NonNullable<ModelSideOptions['create']>;
export type { GatewayMonitorModel, Safeguard };

/** Longest schedule and a second run of it, with room; in virtual time. */
const virtualMs = 400_000;

export interface VirtualRun {
  schedules?: readonly string[];
  /** Stands for the real monitor. Default: the model without safeguards, which is what a real one does. */
  monitor?: MonitorSide;
  /** The model that is compared with it; a mutant in a test of the comparison. */
  createModel?: Create;
  /** The stand-in's first tick comes so long after the model's. */
  phaseMs?: number;
}

/** Conform in virtual time: minutes of schedules in seconds, without a race. Needs `vi.useFakeTimers()`. */
export async function conformVirtually({ schedules, monitor, createModel, phaseMs = 700 }: VirtualRun): Promise<ScheduleResult[]> {
  const side = monitor ?? new ModelSide({ name: 'stand-in', pool: conformPool, timers, safeguards: [] });
  await vi.advanceTimersByTimeAsync(phaseMs);
  const chosen = schedules === undefined ? catalog : schedules.map((name) => {
    const schedule = catalog.find((each) => each.name === name);
    if (schedule === undefined) throw new Error(`no schedule ${name}`);
    return schedule;
  });
  let results: ScheduleResult[] | undefined;
  const running = conform({
    schedules: chosen, monitors: { what: side.name, timers, proposeMs: 0, sides: [side], close: () => side.close() },
    ...(createModel === undefined ? {} : { createModel }),
  }).then((all) => { results = all; });
  for (let ms = 0; results === undefined && ms < virtualMs; ms += 1_000) await vi.advanceTimersByTimeAsync(1_000);
  await running;
  await side.close();
  return results!;
}
