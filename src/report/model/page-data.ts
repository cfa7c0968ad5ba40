import type { HistoryEvent } from '../../history/events.js';
import { hostOf } from '../../plan/hosts.js';
import type { Plan } from '../../plan/types.js';
import type { IoSample, ReportInput } from '../types.js';
import { faultWindows, type FaultWindow } from './faults.js';
import { laneBlocks, type LaneContext } from './lanes.js';
import { eventLog, logKinds } from './log.js';
import { loopDelaySeries, throughputSeries, type SeriesSet } from './series.js';
import { laneStates, type LaneState } from './states.js';

/** from, to (µs since the run's start), index into `states`, index into `strings`, layer. */
export type PackedSegment = [number, number, number, number, 0 | 1];
export interface PackedLane { label: string; segments: PackedSegment[] }
export interface PackedSection { title: string | null; open: boolean; lanes: PackedLane[] }
export interface PackedBlock { id: string; title: string; note: string; sections: PackedSection[] }

/** Kinds of points in the latency chart, in this order in `samples.kind`. */
export const sampleKinds = ['read', 'write', 'failed', 'unknown outcome'] as const;

/** What the page's script draws from. Everything else of the report is plain HTML. Times: µs since the run's start. */
export interface PageData {
  format: 1;
  lengthUs: number;
  faults: FaultWindow[];
  phases: { name: string; tUs: number }[];
  states: LaneState[];
  strings: string[];
  blocks: PackedBlock[];
  throughput: SeriesSet;
  loopDelay: SeriesSet;
  /** `host`: whose I/O it has, where there are several hosts. */
  namespaces: { nsid: number; group: number; idle: boolean; host?: string }[];
  /** Columns of equal length, in order of `t`. */
  samples: { t: number[]; latencyUs: number[]; ns: number[]; kind: number[]; path: number[]; op: number[]; paths: string[] };
  /** Lines in the latency chart. */
  latencyBounds: { name: string; us: number }[];
  log: { kinds: readonly string[]; nodes: string[]; rows: [seq: number, tUs: number, node: number, kind: number, level: number, text: string][]; leftOut: number };
}

/** The time that a run's axis spans, in the harness's clock. */
export function runSpan(input: Pick<ReportInput, 'events' | 'samples'>): { t0Us: number; endUs: number } {
  const { events, samples } = input;
  const start = events.find((event) => event.type === 'run.start')?.tUs ?? events[0]?.tUs ?? samples[0]?.tUs ?? 0;
  let endUs = start + 1;
  for (const event of events) endUs = Math.max(endUs, event.tUs);
  for (const sample of samples) endUs = Math.max(endUs, sample.tUs + sample.latencyUs);
  return { t0Us: start, endUs };
}

export function pageData(input: ReportInput): PageData {
  const { plan, events } = input;
  const { t0Us, endUs } = runSpan(input);
  const context: LaneContext = {
    plan, events, stalls: input.stalls, t0Us, endUs,
    gateways: names(plan.topology.gateways.map((gateway) => gateway.name), events, (event) =>
      event.type === 'host.path' || event.type === 'host.controller' || event.type === 'gw.state' ? [event.gateway]
      : event.type === 'mon.map' ? event.gateways.map((gateway) => gateway.id)
      : event.type === 'node' && event.role === 'gateway' ? [event.name] : []),
    hosts: names(plan.topology.hosts.map((host) => host.name), events, (event) => ('host' in event ? [event.host] : [])),
  };
  const states = laneStates(context.gateways);
  const stateIndex = new Map(states.map((state, index) => [state.key, index]));
  const strings = new Interner();
  const blocks = laneBlocks(context).map((block): PackedBlock => ({
    ...block,
    sections: block.sections.map((section) => ({
      ...section,
      lanes: section.lanes.map((lane) => ({
        label: lane.label,
        segments: lane.segments.map((segment): PackedSegment => [
          segment.fromUs, segment.toUs, stateIndex.get(segment.state) ?? stateIndex.get('ana:unknown')!, strings.index(segment.detail), segment.layer,
        ]),
      })),
    })),
  }));
  return {
    format: 1,
    lengthUs: endUs - t0Us,
    faults: faultWindows(events, t0Us, endUs),
    phases: events.flatMap((event) => (event.type === 'run.phase' ? [{ name: event.phase, tUs: event.tUs - t0Us }] : [])),
    states,
    strings: strings.list,
    blocks,
    throughput: throughputSeries(events, plan, t0Us, endUs),
    loopDelay: loopDelaySeries(events, t0Us, endUs),
    namespaces: plan.topology.namespaces.map((namespace) => ({
      nsid: namespace.nsid, group: namespace.anaGroup, idle: namespace.idle, ...(plan.topology.hosts.length > 1 ? { host: hostOf(plan.topology, namespace) } : {}),
    })),
    samples: sampleColumns(input.samples, t0Us),
    latencyBounds: latencyBounds(plan),
    log: logColumns(events, t0Us),
  };
}

/** The planned names first, then whatever else the history names. */
function names(planned: string[], events: readonly HistoryEvent[], of: (event: HistoryEvent) => string[]): string[] {
  const found = new Set(planned);
  for (const event of events) for (const name of of(event)) found.add(name);
  return [...found];
}

function sampleColumns(samples: readonly IoSample[], t0Us: number): PageData['samples'] {
  const paths = new Interner();
  const columns: PageData['samples'] = { t: [], latencyUs: [], ns: [], kind: [], path: [], op: [], paths: paths.list };
  for (const sample of [...samples].sort((a, b) => a.tUs - b.tUs)) {
    columns.t.push(sample.tUs - t0Us);
    columns.latencyUs.push(sample.latencyUs);
    columns.ns.push(sample.ns);
    columns.kind.push(sample.outcome === 'fail' ? 2 : sample.outcome === 'info' ? 3 : sample.what === 'read' ? 0 : 1);
    columns.path.push(paths.index(sample.path ?? ''));
    columns.op.push(sample.op);
  }
  return columns;
}

function latencyBounds(plan: Plan): PageData['latencyBounds'] {
  const wanted = new Set([plan.expect.quietStall, ...plan.expect.stalls.map((allowance) => allowance.bound)]);
  return plan.bounds.filter((bound) => wanted.has(bound.name)).map((bound) => ({ name: bound.name, us: bound.ms * 1_000 }));
}

function logColumns(events: readonly HistoryEvent[], t0Us: number): PageData['log'] {
  const { rows, leftOut } = eventLog(events, t0Us);
  const nodes = new Interner();
  const levels = ['info', 'warn', 'error'];
  return {
    kinds: logKinds,
    nodes: nodes.list,
    rows: rows.map((row) => [row.seq, row.tUs, nodes.index(row.node), logKinds.indexOf(row.kind), levels.indexOf(row.level), row.text]),
    leftOut,
  };
}

/** Each different string once. */
class Interner {
  readonly list: string[] = [];
  readonly #indices = new Map<string, number>();

  index(text: string): number {
    let index = this.#indices.get(text);
    if (index === undefined) {
      index = this.list.push(text) - 1;
      this.#indices.set(text, index);
    }
    return index;
  }
}
