import type { HistoryEvent, MonitorGatewayView } from '../../history/events.js';
import { formatCount, formatSpan } from '../format.js';

export const logKinds = ['run', 'fault', 'node', 'monitor', 'gateway', 'store', 'controller', 'path', 'io', 'log'] as const;
export type LogKind = (typeof logKinds)[number];

/** One line of the event log. */
export interface LogRow {
  seq: number;
  /** Microseconds since the run's start. */
  tUs: number;
  node: string;
  kind: LogKind;
  text: string;
  /** Needs attention. */
  level: 'info' | 'warn' | 'error';
}

export interface EventLog {
  rows: LogRow[];
  /** Rows left out to keep the page usable. */
  leftOut: number;
}

/** Rows on a page at most. */
export const logRowsMax = 12_000;

/**
 * The history in words. Samples (statistics, self-watch, coverage) have charts of their own and are not
 * rows; of the periodic views of monitor, gateways and store only changes are. Beyond the limit, path rows
 * go first (the lanes show them), then the newest rows.
 */
export function eventLog(events: readonly HistoryEvent[], t0Us: number, rowsMax: number = logRowsMax): EventLog {
  const differences = new Differences();
  const rows: LogRow[] = [];
  for (const event of events) {
    const said = sentence(event, differences);
    if (said !== undefined) rows.push({ seq: event.seq, tUs: event.tUs - t0Us, node: event.node, level: 'info', ...said });
  }
  let kept = rows;
  if (kept.length > rowsMax) kept = kept.filter((row) => row.kind !== 'path');
  if (kept.length > rowsMax) kept = kept.slice(0, rowsMax);
  return { rows: kept, leftOut: rows.length - kept.length };
}

type Sentence = Pick<LogRow, 'kind' | 'text'> & Partial<Pick<LogRow, 'level'>>;

const join = (...parts: (string | undefined | null | false)[]): string => parts.filter((part) => typeof part === 'string' && part !== '').join(', ');

function sentence(event: HistoryEvent, differences: Differences): Sentence | undefined {
  switch (event.type) {
    case 'run.start':
      return { kind: 'run', text: `run ${event.runId} starts: ${event.suite} / ${event.scenario}, seed ${event.seed}, lab ${event.lab}` };
    case 'run.phase':
      return { kind: 'run', text: join(`phase ${event.phase}`, event.detail) };
    case 'run.end':
      return { kind: 'run', text: join(`run ends: ${event.reason}`, event.message), level: event.reason === 'completed' ? 'info' : 'error' };
    case 'run.product':
      return { kind: 'run', text: join(`under test: ${event.name} ${event.version}`, ...Object.entries(event.components).map(([name, version]) => `${name} ${version}`)) };
    case 'log':
      return { kind: 'log', text: event.message, level: event.level };
    case 'node': {
      const how = join(event.pid !== undefined && `pid ${event.pid}`, event.signal, typeof event.exitCode === 'number' && `exit code ${event.exitCode}`, event.detail);
      return { kind: 'node', text: join(`${event.name} (${event.role}) ${event.state}`, how), level: event.expected === false ? 'error' : 'info' };
    }
    case 'fault': {
      const bad = event.phase === 'unconfirmed' || event.phase === 'heal-unconfirmed';
      return { kind: 'fault', text: join(`${event.fault} on ${event.target} (${event.id}): ${event.phase}`, event.observer && `seen by ${event.observer}`, event.evidence), level: bad ? 'error' : 'warn' };
    }
    case 'host.controller':
      return { kind: 'controller', text: join(`${event.controller} → ${event.gateway} ${event.address}: ${event.state}`, `cntlid ${event.cntlid}`, event.cause), level: event.state === 'live' ? 'info' : 'warn' };
    case 'host.path':
      return { kind: 'path', text: join(`${event.path} ns ${event.nsid} group ${event.anaGroup}: ${event.ana}`, `controller ${event.controllerState}`, event.usable ? 'usable' : 'not usable', event.cause) };
    case 'host.path-gone':
      return { kind: 'path', text: join(`${event.path} ns ${event.nsid}: gone`, event.cause) };
    case 'host.failover':
      return { kind: 'controller', text: join(`ns ${event.nsid} moves ${event.from ?? 'no path'} → ${event.to ?? 'no path'}`, event.cause, `${event.inflight} in flight`), level: 'warn' };
    case 'host.queue':
      return event.state === 'queueing'
        ? { kind: 'io', text: `ns ${event.nsid} has no usable path: ${event.depth} queued`, level: 'warn' }
        : { kind: 'io', text: `ns ${event.nsid} drained its queue, the oldest waited ${formatSpan(event.oldestUs)}` };
    case 'host.aen':
      return { kind: 'controller', text: `${event.controller} (${event.gateway}) AEN 0x${event.result.toString(16).padStart(8, '0')}` };
    case 'host.ana-log':
      return { kind: 'controller', text: join(`${event.controller} (${event.gateway}) ANA log read in ${formatSpan(event.tookUs)}`, event.status !== 0 && `status 0x${event.status.toString(16)}`) };
    case 'kernel.log':
      return { kind: 'controller', text: join(`kernel: ${event.message}`, event.gateway), level: event.level === 'info' || event.level === 'notice' || event.level === 'debug' ? 'info' : 'warn' };
    case 'host.inventory':
      return { kind: 'run', text: `inventory "${event.label}": ${event.controllers.length} controllers, ${event.namespaces.length} namespaces` };
    case 'mon.map': {
      const changes = differences.of('mon', monitorFacts(event.gateways));
      return changes === '' ? undefined : { kind: 'monitor', text: join(`map epoch ${event.epoch}: ${changes}`) };
    }
    case 'gw.state': {
      const facts: [string, string][] = Object.entries(event.ana).map(([group, state]) => [`group ${group}`, state]);
      const changes = differences.of(`gw ${event.gateway}`, [...facts, ['serving', String(event.serving)], ['listeners', event.listeners.join(' ') || 'none']]);
      return changes === '' ? undefined : { kind: 'gateway', text: `${event.gateway}: ${changes}` };
    }
    case 'clock':
    case 'host.ana-states':
    case 'machine.waits':
      return undefined;
    case 'store.state': {
      const fenced = event.clients.filter((client) => client.fenced).map((client) => client.name).join(' ') || 'none';
      const changes = differences.of('store', [['epoch', String(event.epoch)], ['blocklist', event.blocklist.join(' ') || 'empty'], ['fenced', fenced], ...(event.droppedWrites === undefined ? [] : [['late writes dropped', String(event.droppedWrites)] as [string, string]])]);
      return changes === '' ? undefined : { kind: 'store', text: changes };
    }
    case 'reread':
      return { kind: 'io', text: join(`re-read ${event.pass} ns ${event.nsid}: ${event.state}`, `${formatCount(event.blocks)} blocks`, event.path) };
    case 'fio.process': {
      const how = join(typeof event.exitCode === 'number' && `exit code ${event.exitCode}`, event.signal, event.endedBy === 'stop' && 'asked to stop', event.endedBy === 'kill' && 'killed by the harness', event.message);
      return { kind: 'io', text: join(`fio ${event.job} (${event.phase}) ${event.state}`, how), level: event.state === 'failed' ? 'error' : 'info' };
    }
    case 'fio.result':
      return {
        kind: 'io', level: event.ioErrors + event.verifyErrors > 0 || !event.complete ? 'error' : 'info',
        text: join(`fio ${event.job} (${event.phase}): ${event.meaning}`, `${formatCount(event.reads)} reads`, `${formatCount(event.writes)} writes`, event.ioErrors > 0 && `${event.ioErrors} I/O errors`, event.verifyErrors > 0 && `${event.verifyErrors} failed verifications`, !event.complete && 'output cut off'),
      };
    case 'fio.clock':
    case 'fio.stats':
    case 'host.counters':
    case 'host.path-io':
    case 'observe.coverage':
    case 'io.stats':
    case 'self.watch':
      return undefined;
  }
}

function monitorFacts(gateways: readonly MonitorGatewayView[]): [string, string][] {
  return gateways.flatMap((gateway) => [
    [gateway.id, gateway.adminState === 'DISABLED' ? `${gateway.availability} (DISABLED)` : gateway.availability] as [string, string],
    ...Object.entries(gateway.states).map(([group, state]): [string, string] => [`${gateway.id} group ${group}`, state]),
  ]);
}

/** Says what changed in a periodic view since it was last seen. */
class Differences {
  readonly #seen = new Map<string, Map<string, string>>();

  of(view: string, facts: readonly (readonly [string, string])[]): string {
    const before = this.#seen.get(view) ?? new Map<string, string>();
    this.#seen.set(view, new Map(facts));
    const said: string[] = [];
    for (const [name, value] of facts) {
      const old = before.get(name);
      if (old === undefined) said.push(`${name} ${value}`);
      else if (old !== value) said.push(`${name} ${old} → ${value}`);
    }
    for (const name of before.keys()) if (!facts.some(([known]) => known === name)) said.push(`${name} gone`);
    return said.join('; ');
  }
}
