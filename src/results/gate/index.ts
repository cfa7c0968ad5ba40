/** The release gate: stored runs, judged by a written policy. */
export { judgeGate } from './gate.js';
export type { GateOptions } from './gate.js';
export { loadPolicy, parsePolicy, policySchema } from './policy.js';
export type { Policy } from './policy.js';
