import type { AgentEndReason } from './agent/options.js';

/** How a gateway's process exits after each way in which its agent ends; whoever restarts it tells them apart by it. */
export const agentExitCodes: Record<AgentEndReason, number> = {
  'stopped': 0, 'control-failed': 1, 'failed-over': 10, 'monitor-silent': 11, 'fenced': 12,
};

/** Exit codes with which a gateway process ends itself by its own rules, and what they mean. */
const selfEndCodes: ReadonlyMap<number, string> = new Map([
  [agentExitCodes['failed-over'], 'the monitor had failed it over'],
  [agentExitCodes['monitor-silent'], 'the monitor was silent for too long'],
  [agentExitCodes.fenced, 'the store had fenced it'],
]);

/** What an end of a gateway process means that nobody asked for: one of its rules, which the checkers judge, or a break of the lab. */
export function classifySelfEnd(exitCode: number | null): { kind: 'by-rule' | 'unexpected'; detail?: string } {
  const rule = exitCode === null ? undefined : selfEndCodes.get(exitCode);
  return rule === undefined ? { kind: 'unexpected' } : { kind: 'by-rule', detail: `ended itself: ${rule}` };
}
