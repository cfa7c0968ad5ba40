import type { HistoryEvent } from '../../history/events.js';
import type { Plan } from '../../plan/types.js';
import { eventsOf } from './select.js';

/** Columns for a chart: value i of each series holds from `fromUs + i × stepUs` on, for one step. */
export interface SeriesSet {
  fromUs: number;
  stepUs: number;
  series: { label: string; group: number; values: (number | null)[] }[];
}

/** Points on the time axis of a chart at most. */
const stepsMax = 900;
const stepMinUs = 50_000;

/**
 * I/O per second of each namespace (all hosts together), from `io.stats`. An interval's operations are
 * spread evenly over the steps that it covers, so the area under the line is the number of operations.
 * null: nobody counted then.
 */
export function throughputSeries(events: readonly HistoryEvent[], plan: Plan, t0Us: number, endUs: number): SeriesSet {
  const stats = eventsOf(events, 'io.stats').filter((event) => event.toUs > event.fromUs);
  const widths = stats.map((event) => event.toUs - event.fromUs).sort((a, b) => a - b);
  const steps = grid(endUs - t0Us, widths[widths.length >> 1] ?? stepMinUs);
  const byNamespace = new Map<number, (number | null)[]>(plan.topology.namespaces.map((namespace) => [namespace.nsid, new Array<number | null>(steps.count).fill(null)]));
  for (const event of stats) {
    let values = byNamespace.get(event.nsid);
    if (values === undefined) byNamespace.set(event.nsid, (values = new Array<number | null>(steps.count).fill(null)));
    const operationsPerUs = (event.reads + event.writes) / (event.toUs - event.fromUs);
    forEachStep(steps, event.fromUs - t0Us, event.toUs - t0Us, (step, overlapUs) => {
      values[step] = (values[step] ?? 0) + (operationsPerUs * overlapUs * 1e6) / steps.stepUs;
    });
  }
  return {
    fromUs: 0,
    stepUs: steps.stepUs,
    series: [...byNamespace]
      .sort(([a], [b]) => a - b)
      .map(([nsid, values]) => ({
        label: `ns ${nsid}`,
        group: plan.topology.namespaces.find((namespace) => namespace.nsid === nsid)?.anaGroup ?? 0,
        values: values.map((value) => (value === null ? null : Math.round(value * 10) / 10)),
      })),
  };
}

/** The worst event-loop delay per step of each process, milliseconds. A spike keeps its height at any length of run. */
export function loopDelaySeries(events: readonly HistoryEvent[], t0Us: number, endUs: number): SeriesSet {
  const watches = eventsOf(events, 'self.watch');
  const widths = watches.map((event) => event.toUs - event.fromUs).sort((a, b) => a - b);
  const steps = grid(endUs - t0Us, widths[widths.length >> 1] ?? stepMinUs);
  const byProcess = new Map<string, (number | null)[]>();
  for (const event of watches) {
    let values = byProcess.get(event.process);
    if (values === undefined) byProcess.set(event.process, (values = new Array<number | null>(steps.count).fill(null)));
    forEachStep(steps, event.fromUs - t0Us, event.toUs - t0Us, (step) => {
      values[step] = Math.max(values[step] ?? 0, event.loopDelayMaxUs / 1_000);
    });
  }
  return { fromUs: 0, stepUs: steps.stepUs, series: [...byProcess].map(([label, values]) => ({ label, group: 0, values })) };
}

interface Steps {
  stepUs: number;
  count: number;
}

function grid(lengthUs: number, wantedUs: number): Steps {
  const stepUs = Math.max(stepMinUs, Math.round(wantedUs), Math.ceil(lengthUs / stepsMax));
  return { stepUs, count: Math.max(1, Math.ceil(lengthUs / stepUs)) };
}

function forEachStep(steps: Steps, fromUs: number, toUs: number, visit: (step: number, overlapUs: number) => void): void {
  const first = Math.max(0, Math.floor(fromUs / steps.stepUs));
  for (let step = first; step < steps.count && step * steps.stepUs < toUs; step++) {
    const overlapUs = Math.min(toUs, (step + 1) * steps.stepUs) - Math.max(fromUs, step * steps.stepUs);
    if (overlapUs > 0) visit(step, overlapUs);
  }
}
