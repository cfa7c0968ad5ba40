import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realMonMissing } from '../lab/real-mon/index.js';
import { GatewayMonitorModel } from '../monitor/index.js';
import { catalog } from './catalog/index.js';
import { conform, type ConformOptions, type ScheduleResult } from './conform.js';
import { startOwnMonitors, type Monitors } from './monitors.js';
import { resultLines } from './report.js';

/*
 * Against a real ceph-mon: PATHPROOF_CEPH_ROOT=DIR npx vitest run src/conform/real-mon.test.ts
 * where DIR is a root file system with ceph-mon ≥ 20.2. A few schedules of each kind; `pathproof conform` runs them all.
 */
const missing = realMonMissing();
const timeoutMs = 400_000;

const same = ['kill-and-return', 'fast-reboot-then-kill', 'data-plane-dies-emptied', 'delete-and-heir', 'short-cut', 'monitor-restarts'];
const known = ['holder-cut-off', 'two-die-at-once'];

describe.skipIf(missing !== undefined)(`the model against a real ceph-mon${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: timeoutMs }, () => {
  let monitors: Monitors;
  beforeAll(async () => { monitors = await startOwnMonitors({ count: 3, production: false, progress: () => undefined }); }, timeoutMs);
  afterAll(() => monitors.close(), timeoutMs);

  const run = (names: readonly string[], o: Pick<ConformOptions, 'createModel'> = {}): Promise<ScheduleResult[]> => (
    conform({ schedules: catalog.filter(({ name }) => names.includes(name)), monitors, ...o })
  );
  const verdicts = (results: readonly ScheduleResult[]): Record<string, string> => Object.fromEntries(results.map(({ schedule, verdict }) => [schedule.name, verdict]));

  it('is the same, or differs as the schedule says', async () => {
    const results = await run([...same, ...known]);
    expect(verdicts(results), results.flatMap((result) => resultLines(result)).join('\n')).toEqual({
      ...Object.fromEntries(same.map((name) => [name, 'same'])), ...Object.fromEntries(known.map((name) => [name, 'known'])),
    });
  });

  it('is found to differ when its failback takes no time', async () => {
    const results = await run(['kill-and-return'], { createModel: (options) => new GatewayMonitorModel({ ...options, timers: { ...options.timers, failbackMs: 0 } }) });
    expect(verdicts(results), results.flatMap((result) => resultLines(result)).join('\n')).toEqual({ 'kill-and-return': 'differs' });
  });
});
