import { scanJournal } from './journal-scan.js';
import type { RawStall } from './journal-scan.js';
import { standstills, stoodStillUs } from './standstill.js';
import type { AllowanceWindow, Period } from './timeline.js';
import { allowanceWindows, boundOf } from './timeline.js';
import type { CheckInput } from './types.js';

/**
 * - `within`: no longer than its bound.
 * - `over`: too long.
 * - `doubtful`: too long, but the process that measured it stood still meanwhile, long enough to explain it.
 * - `hidden`: short enough as measured, but the completion that it begins with was timed by a process that stood still:
 *   the truth may be too long.
 */
export type StallJudgement = 'within' | 'over' | 'doubtful' | 'hidden';

/** One stall and what it was measured against. */
export interface Stall extends RawStall {
  anaGroup: number;
  durationUs: number;
  /** The fault whose window it overlaps; undefined: it is measured against the quiet bound. */
  fault: string | undefined;
  /** Why the plan allows it. */
  reason: string | undefined;
  boundName: string;
  boundUs: number;
  /** By how much it is too long; ≤ 0: it isn't. */
  excessUs: number;
  /** How long the event loops of its host's or the harness's process stood still during it; `hidden`: the host's when it began. */
  loopDelayUs: number;
  judgement: StallJudgement;
}

/**
 * All stalls above the floor, longest first, each attributed to the allowance window that it overlaps (the one
 * that leaves the least excess; the quiet bound if there is none).
 *
 * The part of a stall before its window began is measured against the quiet bound: a fault cannot explain what
 * started before it. In an until-heal window the stall has to end within the bound after the confirmed heal.
 */
export async function listStalls(input: CheckInput): Promise<Stall[]> {
  const { plan, events } = input;
  const { stalls } = await scanJournal(input);
  const windows = allowanceWindows(plan, events, plan.expect.stalls);
  const quiet = boundOf(plan, plan.expect.quietStall);
  const groupOf = new Map(plan.topology.namespaces.map(({ uuid, anaGroup }) => [uuid, anaGroup]));
  // Those who issue and time the I/O.
  const watches = standstills(input, ['host', 'harness']);
  return stalls.map((stall) => {
    const anaGroup = groupOf.get(stall.nsUuid) ?? 0;
    const durationUs = stall.toUs - stall.fromUs;
    const quietUs = quiet.ms * 1000;
    const best = measureStall(windows, anaGroup, stall, quietUs);
    const own = watches.filter(({ process }) => process === stall.host || process === 'harness');
    const stoodUs = Math.max(0, ...own.filter(({ process, fromUs, toUs }) => process === stall.host && fromUs <= stall.fromUs && stall.fromUs <= toUs).map(({ loopDelayMaxUs }) => loopDelayMaxUs));
    const beforeUs = Math.min(stall.lateMaxUs, stoodUs);
    const hidden = best.excessUs <= 0 && beforeUs > 0 && measureStall(windows, anaGroup, { fromUs: stall.fromUs - beforeUs, toUs: stall.toUs }, quietUs).excessUs > 0;
    const loopDelayUs = best.excessUs > 0 ? stoodStillUs(own, stall) : hidden ? beforeUs : 0;
    const judgement = hidden ? 'hidden' : best.excessUs <= 0 ? 'within' : best.excessUs <= loopDelayUs ? 'doubtful' : 'over';
    const { window } = best;
    return {
      ...stall, anaGroup, durationUs, fault: window?.fault, reason: window?.reason,
      boundName: (window?.bound ?? quiet).name, boundUs: window?.boundUs ?? quietUs, excessUs: best.excessUs, loopDelayUs, judgement,
    };
  });
}

/** By how much a stall is too long (≤ 0: it isn't), and the window that explains it best; without one the quiet bound counts. */
export function measureStall(windows: readonly AllowanceWindow[], anaGroup: number, stall: Period, quietUs: number): { window: AllowanceWindow | undefined; excessUs: number } {
  const durationUs = stall.toUs - stall.fromUs;
  let best = { window: undefined as AllowanceWindow | undefined, excessUs: durationUs - quietUs };
  for (const window of windows) {
    if (!window.groups.includes(anaGroup) || stall.toUs <= window.fromUs || stall.fromUs >= window.toUs) continue;
    // What would be no stall on a quiet day is none at the edge of a window either.
    const excessUs = Math.min(excessIn(window, stall, quietUs), durationUs - quietUs);
    if (best.window === undefined || excessUs < best.excessUs) best = { window, excessUs };
  }
  return best;
}

function excessIn(window: AllowanceWindow, stall: Period, quietUs: number): number {
  const earlyUs = Math.max(0, window.fromUs - stall.fromUs);
  const allowedEndUs = window.untilUs === undefined ? Math.max(stall.fromUs, window.fromUs) + window.boundUs : window.untilUs + window.boundUs;
  return Math.max(earlyUs - quietUs, stall.toUs - allowedEndUs);
}
