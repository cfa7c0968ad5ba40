import type { AgentEnd, AgentEndReason } from '../../gateway/agent/index.js';
import type { MemberContext } from './protocol.js';

/** How a gateway's process exits after each way in which a gateway ends; the lab tells them apart by it. */
export const gatewayExitCodes: Record<AgentEndReason, number> = {
  'stopped': 0, 'control-failed': 1, 'failed-over': 10, 'monitor-silent': 11, 'fenced': 12, 'store-lost': 13,
};
/** `onEnding` of a gateway's agent in a process of its own: tells the lab that the process is about to end, and why. */
export function tellEnding(name: string, context: MemberContext): (end: AgentEnd) => void {
  return ({ reason }) => context.emit({ type: 'node', name, role: 'gateway', state: 'stopping', pid: process.pid, detail: reason });
}

/** Time for the last reply and events to leave before the process ends, milliseconds. */
export const farewellMs = 20;

/** Exit codes with which a gateway process ends itself by its own rules, and what they mean. */
const selfEndCodes: ReadonlyMap<number, string> = new Map([
  [gatewayExitCodes['failed-over'], 'the monitor had failed it over'],
  [gatewayExitCodes['monitor-silent'], 'the monitor was silent for too long'],
  [gatewayExitCodes.fenced, 'the store had fenced it'],
  [gatewayExitCodes['store-lost'], 'it found no store'],
]);

/** What an end of a gateway process means that nobody asked for: one of its rules, which the checkers judge, or a break of the lab. */
export function classifySelfEnd(exitCode: number | null): { kind: 'by-rule' | 'unexpected'; detail?: string } {
  const rule = exitCode === null ? undefined : selfEndCodes.get(exitCode);
  return rule === undefined ? { kind: 'unexpected', detail: 'crashed' } : { kind: 'by-rule', detail: `ended itself: ${rule}` };
}
