import { binOf, binValueNs, LatencyHistogram, PLAT_BINS } from 'fio-parser';
import type { HistoryEvent } from '../history/events.js';
import type { JournalHeader, JournalRecord } from '../history/journal-types.js';
import { gatewayOf } from './integrity/findings.js';
import { takeoversOf } from './takeovers.js';
import { eventsOf, faultRecords } from './timeline.js';
import type { CheckInput } from './types.js';

type InvokeRecord = Extract<JournalRecord, { kind: 'invoke' }>;
type CompleteRecord = Extract<JournalRecord, { kind: 'complete' }>;

/** Stalls shorter than this are not listed: normal latencies of a busy machine. It must be below every bound. */
export const stallFloorUs = 20_000;
/** Stalls kept per run; beyond it the floor is raised and the shorter half dropped. */
export const stallsMax = 10_000;

/** A maximal interval in which a host had I/O outstanding on a namespace and none completed ok. */
export interface RawStall {
  host: string;
  nsUuid: string;
  nsid: number;
  fromUs: number;
  toUs: number;
  /**
   * How late the completion that it begins with may have been timed, at most: the host's journal was silent until shortly
   * before, for so long. 0: it begins with an invocation.
   */
  lateMaxUs: number;
  /** The completion that ended it; undefined: it lasted to the end of the journal. */
  endedBy: { op: number; path: string | null } | undefined;
}

/** I/O that ended ok in one stretch of time. */
export interface Tally {
  reads: number;
  writes: number;
  probes: number;
  firstUs: number;
}

/** A read that an inaccessible path did not refuse. */
export interface AnsweredAudit { host: string; op: number; fromUs: number; toUs: number; nsUuid: string; path: string | null }

/** Answered audits that are kept; one proves as much as thousands. */
const auditsMax = 100;

/** What one reading of the journals tells the checkers that do not look into blocks. */
export interface JournalScan {
  headers: JournalHeader[];
  /** Hosts of the plan that have no journal. */
  hostsWithout: string[];
  operations: number;
  completedOk: number;
  /** Of them, by host; one that has none is not in it. */
  completedOkBy: ReadonlyMap<string, number>;
  failedOps: number;
  /** Operations that the workload itself gave up at its end (code ABORTED); not in `failedOps`. */
  abortedOps: number;
  failedFirst: { host: string; op: number; tUs: number; code: string; status: number; outcome: string } | undefined;
  /** Reads that were sent on purpose on paths that had to refuse them; in none of the other numbers but `operations`. */
  audits: { refused: number; answered: AnsweredAudit[] };
  /** Operations whose end is missing. */
  unfinished: number;
  /** Final re-reads that ended ok, by `purpose:nsUuid`: blocks. */
  rereadBlocks: Map<string, number>;
  /** Longest first. */
  stalls: RawStall[];
  /** Floor below which stalls were dropped, microseconds. */
  stallFloorUs: number;
  lastRecordUs: number;
  /** Latencies of the load's operations that ended ok. */
  latency: LatencyHistogram;
  latencyMaxUs: number;
  /**
   * I/O of `load` and `probe` that ended ok in [fromUs, toUs); both must be edges (see `scanEdges`) or infinite.
   * An operation that was in flight across an edge is not counted at all: what was invoked before a fault says
   * nothing about the time after it. `gateway`: only through that one (`pathUnknown`: of which no path is known).
   */
  tally(selection: { nsUuid: string; gateway?: string | undefined; fromUs: number; toUs: number }): Tally;
  problems: string[];
}

/** Times at which tallies can be cut: each phase of each fault, and each takeover as each host saw it. */
export function scanEdges(input: CheckInput): number[] {
  const edges = new Set<number>();
  for (const record of faultRecords(input.events).values()) for (const event of Object.values(record)) edges.add(event.tUs);
  for (const { seen } of takeoversOf(input)) for (const { tookOverUs } of seen) edges.add(tookOverUs);
  return [...edges].sort((a, b) => a - b);
}

interface NamespaceState {
  outstanding: number;
  /** Begin of the current interval without an ok completion; -1: nothing is outstanding. */
  sinceUs: number;
  lateMaxUs: number;
  /** The last end of an operation that was not ok, while nothing else was outstanding. */
  lastEndUs: number;
  /** Where the last operation was counted: the next one nearly always belongs to the same cell. */
  cell: Cell | undefined;
  cellPath: string | null;
}

interface Cell {
  nsUuid: string;
  gateway: string;
  segment: number;
  tally: Tally;
}

/** Stands for the gateway of an operation whose host cannot tell its path. */
export const pathUnknown = '';
/** What an operation ends with that the workload gave up (workload/device.ts). */
const abortedByWorkload = 'ABORTED';

const scans = new WeakMap<CheckInput, Promise<JournalScan>>();

/** One pass per `CheckInput`, shared by the checkers: the journal of a long run has millions of records. */
export function scanJournal(input: CheckInput): Promise<JournalScan> {
  let scan = scans.get(input);
  if (scan === undefined) scans.set(input, (scan = readAll(input)));
  return scan;
}

async function readAll(input: CheckInput): Promise<JournalScan> {
  const headers = await input.journal.headers();
  const edges = scanEdges(input);
  const fold = new ScanFold(edges, endOfRun(input.events));
  for (const header of headers) {
    const begin = fold.beginJournal(header);
    for await (const chunk of input.journal.records(header)) for (const record of chunk) begin.record(record);
    begin.end();
  }
  const hostsWithout = input.plan.topology.hosts.map(({ name }) => name).filter((name) => !headers.some(({ host }) => host === name));
  return { ...fold.result(headers, input.journal.problems()), hostsWithout };
}

function endOfRun(events: readonly HistoryEvent[]): number {
  return eventsOf(events, 'run.end').at(-1)?.tUs ?? events.at(-1)?.tUs ?? -Infinity;
}

/** A process that stood still handles what came meanwhile in one go; that takes no longer than this. */
const burstMaxUs = 100_000;

/** The silences of one journal: a process that stands still writes nothing, and then times all that came meanwhile at its end. */
class Silence {
  #lastUs = -Infinity;
  #long = { fromUs: -Infinity, toUs: -Infinity };

  record(tUs: number): void {
    // The longest one of late counts: a burst has small gaps, too.
    if (tUs - this.#lastUs > this.#long.toUs - this.#long.fromUs || tUs - this.#long.toUs > burstMaxUs) this.#long = { fromUs: this.#lastUs, toUs: tUs };
    this.#lastUs = tUs;
  }

  lateMaxUs(tUs: number): number {
    return Number.isFinite(this.#long.fromUs) ? tUs - this.#long.fromUs : 0;
  }
}

class ScanFold {
  readonly #edges: readonly number[];
  readonly #endUs: number;
  readonly #cells = new Map<string, Cell>();
  readonly #rereadBlocks = new Map<string, number>();
  #stalls: RawStall[] = [];
  #floorUs = stallFloorUs;
  #operations = 0;
  #completedOk = 0;
  readonly #completedOkBy = new Map<string, number>();
  #failedOps = 0;
  #abortedOps = 0;
  #failedFirst: JournalScan['failedFirst'];
  #unfinished = 0;
  readonly #audits: JournalScan['audits'] = { refused: 0, answered: [] };
  #lastRecordUs = -Infinity;
  readonly #latency = new Uint32Array(PLAT_BINS);
  #latencyMaxUs = 0;

  constructor(edges: readonly number[], endUs: number) {
    this.#edges = edges;
    this.#endUs = endUs;
  }

  beginJournal(header: JournalHeader): { record(record: JournalRecord): void; end(): void } {
    const open = new Map<number, { record: InvokeRecord; segment: number }>();
    const states: NamespaceState[] = header.namespaces.map(() => ({ outstanding: 0, sinceUs: -1, lateMaxUs: 0, lastEndUs: 0, cell: undefined, cellPath: null }));
    const silence = new Silence();
    let segment = 0;
    const record = (each: JournalRecord): void => {
      const { tUs } = each;
      while (segment < this.#edges.length && this.#edges[segment]! <= tUs) segment += 1;
      if (tUs > this.#lastRecordUs) this.#lastRecordUs = tUs;
      silence.record(tUs);
      if (each.kind === 'invoke') {
        const state = states[each.ns];
        if (state === undefined) return;
        open.set(each.op, { record: each, segment });
        this.#operations += 1;
        if (each.purpose === 'audit') return;
        state.outstanding += 1;
        if (state.sinceUs < 0) {
          state.sinceUs = tUs;
          state.lateMaxUs = 0;
        }
        return;
      }
      const invoke = open.get(each.op);
      if (invoke === undefined) return;
      open.delete(each.op);
      if (invoke.record.purpose === 'audit') return this.#audit(header, invoke.record, each);
      this.#complete(header, states[invoke.record.ns]!, invoke, each, segment, silence);
    };
    const end = (): void => {
      this.#unfinished += open.size;
      for (const [ns, state] of states.entries()) {
        if (state.sinceUs < 0) continue;
        const toUs = state.outstanding > 0 ? Math.max(this.#endUs, this.#lastRecordUs) : state.lastEndUs;
        this.#stall({ host: header.host, nsUuid: header.namespaces[ns]!.uuid, nsid: header.namespaces[ns]!.nsid, fromUs: state.sinceUs, lateMaxUs: state.lateMaxUs, toUs, endedBy: undefined });
      }
    };
    return { record, end };
  }

  result(headers: JournalHeader[], problems: string[]): Omit<JournalScan, 'hostsWithout'> {
    const cells = [...this.#cells.values()];
    const segmentOf = (tUs: number): number => this.#edges.filter((edge) => edge <= tUs).length;
    return {
      headers, problems,
      operations: this.#operations, completedOk: this.#completedOk, completedOkBy: this.#completedOkBy, failedOps: this.#failedOps, abortedOps: this.#abortedOps, failedFirst: this.#failedFirst, unfinished: this.#unfinished, audits: this.#audits,
      rereadBlocks: this.#rereadBlocks,
      stalls: this.#stalls.sort((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs)),
      stallFloorUs: this.#floorUs,
      lastRecordUs: this.#lastRecordUs,
      latency: new LatencyHistogram([...this.#latency.entries()].filter(([, count]) => count > 0).map(([bin, count]) => [binValueNs(bin), count])),
      latencyMaxUs: this.#latencyMaxUs,
      tally: ({ nsUuid, gateway, fromUs, toUs }) => {
        const first = segmentOf(fromUs);
        const end = segmentOf(toUs);
        const sum: Tally = { reads: 0, writes: 0, probes: 0, firstUs: Infinity };
        for (const cell of cells) {
          if (cell.nsUuid !== nsUuid || (gateway !== undefined && cell.gateway !== gateway)) continue;
          if (cell.segment < first || (toUs !== Infinity && cell.segment >= end)) continue;
          sum.reads += cell.tally.reads;
          sum.writes += cell.tally.writes;
          sum.probes += cell.tally.probes;
          sum.firstUs = Math.min(sum.firstUs, cell.tally.firstUs);
        }
        return sum;
      },
    };
  }

  #audit(header: JournalHeader, invoke: InvokeRecord, record: CompleteRecord): void {
    if (record.outcome !== 'ok') this.#audits.refused += 1;
    else if (this.#audits.answered.length < auditsMax) {
      this.#audits.answered.push({ host: header.host, op: record.op, fromUs: invoke.tUs, toUs: record.tUs, nsUuid: header.namespaces[invoke.ns]!.uuid, path: record.path });
    }
  }

  #complete(header: JournalHeader, state: NamespaceState, invoke: { record: InvokeRecord; segment: number }, record: CompleteRecord, segment: number, silence: Silence): void {
    const { tUs } = record;
    const { uuid, nsid } = header.namespaces[invoke.record.ns]!;
    state.outstanding -= 1;
    if (record.outcome !== 'ok' && record.code === abortedByWorkload) {
      // Nobody refused it: the workload gave it up. How long it had hung by then is the stall's business.
      this.#abortedOps += 1;
      state.lastEndUs = tUs;
      return;
    }
    if (record.outcome !== 'ok') {
      this.#failedOps += 1;
      this.#failedFirst ??= { host: header.host, op: record.op, tUs, code: record.code, status: record.status, outcome: record.outcome };
      // The interval goes on: a service that answers with errors is not available. It ends with the next ok.
      state.lastEndUs = tUs;
      return;
    }
    this.#completedOk += 1;
    this.#completedOkBy.set(header.host, (this.#completedOkBy.get(header.host) ?? 0) + 1);
    if (tUs - state.sinceUs >= this.#floorUs) {
      this.#stall({ host: header.host, nsUuid: uuid, nsid, fromUs: state.sinceUs, lateMaxUs: state.lateMaxUs, toUs: tUs, endedBy: { op: record.op, path: record.path } });
    }
    state.sinceUs = state.outstanding > 0 ? tUs : -1;
    state.lateMaxUs = silence.lateMaxUs(tUs);
    const { purpose, what, nlb } = invoke.record;
    if (purpose !== 'load' && purpose !== 'probe') {
      const key = `${purpose}:${uuid}`;
      this.#rereadBlocks.set(key, (this.#rereadBlocks.get(key) ?? 0) + nlb);
      return;
    }
    if (purpose === 'load') {
      const latencyUs = tUs - invoke.record.tUs;
      this.#latency[binOf(latencyUs * 1_000)]! += 1;
      if (latencyUs > this.#latencyMaxUs) this.#latencyMaxUs = latencyUs;
    }
    if (invoke.segment !== segment) return;
    let cell = state.cell;
    if (cell === undefined || cell.segment !== segment || state.cellPath !== record.path) {
      cell = state.cell = this.#cell(uuid, record.path, segment);
      state.cellPath = record.path;
    }
    const { tally } = cell;
    if (tUs < tally.firstUs) tally.firstUs = tUs;
    if (purpose === 'probe') tally.probes += 1;
    else if (what === 'read') tally.reads += 1;
    else tally.writes += 1;
  }

  #cell(nsUuid: string, path: string | null, segment: number): Cell {
    const gateway = path === null ? pathUnknown : gatewayOf(path);
    const key = `${nsUuid}|${gateway}|${segment}`;
    let cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, (cell = { nsUuid, gateway, segment, tally: { reads: 0, writes: 0, probes: 0, firstUs: Infinity } }));
    return cell;
  }

  #stall(stall: RawStall): void {
    if (stall.toUs - stall.fromUs < this.#floorUs) return;
    this.#stalls.push(stall);
    if (this.#stalls.length <= stallsMax) return;
    this.#stalls.sort((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs));
    this.#stalls = this.#stalls.slice(0, stallsMax / 2);
    const shortest = this.#stalls.at(-1)!;
    this.#floorUs = shortest.toUs - shortest.fromUs;
  }
}
