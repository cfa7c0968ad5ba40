import type { AgentEndReason } from '../../gateway/agent/index.js';

/** How a gateway's process exits after each way in which a gateway ends; the lab tells them apart by it. */
export const gatewayExitCodes: Record<AgentEndReason, number> = {
  'stopped': 0, 'control-failed': 1, 'failed-over': 10, 'monitor-silent': 11, 'fenced': 12,
};
/** Time for the last reply and events to leave before the process ends, milliseconds. */
export const farewellMs = 20;
