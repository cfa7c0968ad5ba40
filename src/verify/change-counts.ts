import type { EventOf } from '../history/events.js';
import type { Findings } from './result.js';
import { inTimeOrder } from './timeline.js';
import type { CheckInput } from './types.js';
import { at, runStartUs } from './words.js';

/**
 * The ANA log's change count has to change with its content, and never goes back within one association (NVMe base
 * specification, ANA log page: CHGCNT). A host that reads the log in pieces, or polls it, tells by it whether
 * anything happened. Judged where the host tells what it read (`host.ana-states`).
 */
export function checkChangeCounts({ events }: CheckInput, findings: Findings): void {
  const startUs = runStartUs(events);
  const last = new Map<string, EventOf<'host.ana-states'>>();
  let logs = 0;
  for (const log of inTimeOrder(events)) {
    // A lost association is over, even if the next one gets the same id.
    if (log.type === 'host.controller' && log.state !== 'live') {
      for (const key of last.keys()) if (key.startsWith(`${log.host} ${log.controller} `)) last.delete(key);
    }
    if (log.type !== 'host.ana-states') continue;
    logs += 1;
    const key = `${log.host} ${log.controller} ${log.cntlid}`;
    const before = last.get(key);
    last.set(key, log);
    if (before === undefined) continue;
    const where = `the ANA log of ${log.gateway} as ${log.host} read it ${at(before.tUs, startUs)} and ${at(log.tUs, startUs)}`;
    const more = { tUs: before.tUs, toUs: log.tUs, events: [before.seq, log.seq] };
    if (log.changeCount < before.changeCount) findings.fail(`${where}: its change count went back from ${before.changeCount} to ${log.changeCount}`, more);
    else if (log.changeCount === before.changeCount && differ(before.states, log.states)) {
      findings.fail(`${where} changed from ${text(before.states)} to ${text(log.states)}, but its change count stayed ${log.changeCount}`, more);
    }
  }
  findings.metrics['anaLogs'] = logs;
}

function differ(a: EventOf<'host.ana-states'>['states'], b: EventOf<'host.ana-states'>['states']): boolean {
  return text(a) !== text(b);
}

function text(states: EventOf<'host.ana-states'>['states']): string {
  return Object.entries(states).sort(([a], [b]) => Number(a) - Number(b)).map(([group, state]) => `${group} ${state}`).join(', ');
}
