import { absent, sequencesOf, type Stay } from './sequence.js';
import type { Trace } from './trace.js';

/** The periods from which follows how far apart in time the same thing may happen on two monitors, milliseconds. */
export interface Periods {
  beaconMs: number;
  tickMs: number;
  graceMs: number;
  /** Longest time between a decision and the commit that shows it, of each side. */
  commitMs: { model: number; monitor: number };
}

/**
 * One side has a value that the other was not seen in. `commit`: it was too short for the other side's commits to show
 * it. `tick`: STANDBY that only waits for the next tick, which on the other side came in the same moment.
 */
export interface Merge { component: string; value: string; ms: number; side: 'model' | 'monitor'; why: 'commit' | 'tick' }

export type Difference =
  | { kind: 'sequence'; component: string; model: Stay | undefined; monitor: Stay | undefined }
  /** The same value, but this long after the deed before it (or after its own beginning, for a state that a timer ends). */
  | { kind: 'time'; component: string; value: string; since: string; modelMs: number; monitorMs: number; boundMs: number }
  /** The n-th time that a gateway was told to serve a group: with an epoch to wait for, without, or not at all. */
  | { kind: 'promotion'; gateway: string; group: number; nth: number; model: boolean | undefined; monitor: boolean | undefined }
  | { kind: 'code'; step: string; model: number | undefined; monitor: number | undefined }
  | { kind: 'stuck'; side: 'model' | 'monitor'; step: string };

export interface Comparison { differences: Difference[]; merges: Merge[] }

/** States that a timer or an acknowledgement ends: how long they last is compared, too. */
const timedStates = new Set(['OWNER_FAILBACK_PREPARED', 'WAIT_FAILBACK_PREPARED', 'WAIT_BLOCKLIST_CMPL']);
/** More short stays than this in one component are not tried in all combinations. */
const shortStaysMax = 10;

/**
 * Compares what two monitors showed of one schedule (docs/CONFORM.md, "What counts as the same"):
 * each component's values in their order, when each began, and how long a timed state lasted.
 */
export function compareTraces(model: Trace, monitor: Trace, periods: Periods, stepTexts: readonly string[]): Comparison {
  const differences: Difference[] = [];
  const merges: Merge[] = [];
  if (model.stuckAt !== monitor.stuckAt) {
    // Whoever got further has not been stuck there.
    const [side, stuckAt] = (monitor.stuckAt ?? Infinity) < (model.stuckAt ?? Infinity) ? ['monitor' as const, monitor.stuckAt!] : ['model' as const, model.stuckAt!];
    differences.push({ kind: 'stuck', side, step: stepTexts[stuckAt] ?? `step ${stuckAt}` });
  }
  for (const [i, { text, code }] of model.steps.entries()) {
    const other = monitor.steps[i];
    if (other !== undefined && other.code !== code) differences.push({ kind: 'code', step: text, model: code, monitor: other.code });
  }
  const ours = sequencesOf(model);
  const theirs = sequencesOf(monitor);
  for (const component of [...new Set([...ours.keys(), ...theirs.keys()])].sort()) {
    const aligned = align(component, ours.get(component) ?? [], theirs.get(component) ?? [], periods);
    merges.push(...aligned.merges);
    if (aligned.first !== undefined) differences.push(aligned.first);
    differences.push(...timeDifferences(component, aligned.pairs, model, monitor, periods));
  }
  differences.push(...promotionDifferences(model, monitor));
  return { differences, merges };
}

/** Whether a gateway has to wait for a blocklist before it serves is what the data depends on; states do not show it. */
function promotionDifferences(model: Trace, monitor: Trace): Difference[] {
  const found: Difference[] = [];
  const places = new Map([...model.promotions, ...monitor.promotions].map(({ gateway, group }) => [`${gateway}/${group}`, { gateway, group }]));
  for (const { gateway, group } of places.values()) {
    const waits = (trace: Trace): boolean[] => trace.promotions.filter((each) => each.gateway === gateway && each.group === group).map((each) => each.waits);
    const [ours, theirs] = [waits(model), waits(monitor)];
    const nth = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, i) => i).find((i) => ours[i] !== theirs[i]);
    if (nth !== undefined) found.push({ kind: 'promotion', gateway, group, nth: nth + 1, model: ours[nth], monitor: theirs[nth] });
  }
  return found;
}

interface Alignment { pairs: [Stay, Stay][]; merges: Merge[]; first: Difference | undefined }

/** Pairs up two sequences, leaving out as few stays as possible, and only such as the other side's commits may have hidden. */
function align(component: string, ours: readonly Stay[], theirs: readonly Stay[], { commitMs, tickMs }: Periods): Alignment {
  let best: Alignment | undefined;
  for (const model of thinnedOut(ours, commitMs.monitor, tickMs)) {
    for (const monitor of thinnedOut(theirs, commitMs.model, tickMs + commitMs.monitor)) {
      const pairs = commonPrefix(model.kept, monitor.kept);
      const complete = pairs.length === model.kept.length && pairs.length === monitor.kept.length;
      const merge = (side: Merge['side'], shortMs: number) => (stay: Stay): Merge => {
        const ms = stay.toMs - stay.fromMs;
        return { component, value: stay.value, ms, side, why: ms <= shortMs ? 'commit' : 'tick' };
      };
      const merges = [...model.left.map(merge('model', commitMs.monitor)), ...monitor.left.map(merge('monitor', commitMs.model))];
      if (complete && (best === undefined || best.first !== undefined || merges.length < best.merges.length)) best = { pairs, merges, first: undefined };
      else if (best === undefined || (best.first !== undefined && pairs.length > best.pairs.length)) {
        best = { pairs, merges, first: { kind: 'sequence', component, model: model.kept[pairs.length], monitor: monitor.kept[pairs.length] } };
      }
    }
  }
  return best!;
}

/** The sequence as it is, and without any of the stays that the other side need not have shown. The first and the last always stay. */
function thinnedOut(stays: readonly Stay[], shortMs: number, tickMs: number): { kept: Stay[]; left: Stay[] }[] {
  const mayBeMissing = (stay: Stay): boolean => stay.toMs - stay.fromMs <= (stay.value === 'STANDBY' ? Math.max(shortMs, tickMs) : shortMs);
  const short = stays.filter((stay, i) => i > 0 && i < stays.length - 1 && mayBeMissing(stay)).slice(0, shortStaysMax);
  return Array.from({ length: 2 ** short.length }, (_, choice) => {
    const left = short.filter((_stay, bit) => (choice & (1 << bit)) !== 0);
    const kept: Stay[] = [];
    for (const stay of stays) {
      if (left.includes(stay)) continue;
      const before = kept.at(-1);
      // What is left out may have stood between twice the same.
      if (before?.value === stay.value) kept[kept.length - 1] = { ...before, toMs: stay.toMs };
      else kept.push(stay);
    }
    return { kept, left };
  });
}

function commonPrefix(a: readonly Stay[], b: readonly Stay[]): [Stay, Stay][] {
  const pairs: [Stay, Stay][] = [];
  for (let i = 0; i < a.length && i < b.length && a[i]!.value === b[i]!.value; i += 1) pairs.push([a[i]!, b[i]!]);
  return pairs;
}

function timeDifferences(component: string, pairs: readonly [Stay, Stay][], model: Trace, monitor: Trace, { beaconMs, tickMs, commitMs }: Periods): Difference[] {
  const found: Difference[] = [];
  const observedMs = monitor.sampleGapMaxMs + model.sampleGapMaxMs + Math.max(model.stallMaxMs, monitor.stallMaxMs);
  const commitsMs = commitMs.model + commitMs.monitor;
  for (const [i, [ours, theirs]] of pairs.entries()) {
    if (i === 0) continue;
    const deeds = Math.min(ours.deeds, theirs.deeds);
    const since = model.steps[deeds - 1];
    const sinceThere = monitor.steps[deeds - 1];
    if (since === undefined || sinceThere === undefined) continue;
    const onTick = component.includes('/') || ours.value === absent;
    // The last beacon before the deed and the first one after what it led to, a tick where one has to come, and two
    // commits: of what is decided, and of what it made the gateways do.
    const boundMs = Math.round(2 * beaconMs + (onTick ? tickMs : 0) + 2 * commitsMs + observedMs);
    const [modelMs, monitorMs] = [ours.fromMs - since.atMs, theirs.fromMs - sinceThere.atMs];
    if (Math.abs(modelMs - monitorMs) > boundMs) found.push({ kind: 'time', component, value: ours.value, since: since.text, modelMs, monitorMs, boundMs });
  }
  // A stay that ended is compared as a whole, unless a deed fell into it: that is judged by its end above.
  for (const [i, [ours, theirs]] of pairs.entries()) {
    const next = pairs[i + 1];
    if (next === undefined || !timedStates.has(ours.value) || next[0].deeds !== ours.deeds || next[1].deeds !== theirs.deeds) continue;
    const [modelMs, monitorMs] = [ours.toMs - ours.fromMs, theirs.toMs - theirs.fromMs];
    const boundMs = Math.round(beaconMs + commitsMs + observedMs);
    if (Math.abs(modelMs - monitorMs) > boundMs) found.push({ kind: 'time', component, value: ours.value, since: 'its own beginning', modelMs, monitorMs, boundMs });
  }
  return found;
}
