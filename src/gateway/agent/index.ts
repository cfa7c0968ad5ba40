export { GatewayAgent } from './agent.js';
export { wrongMapIgnoreDefaultMs } from './options.js';
export type { AgentEnd, AgentEndReason, AgentPhase, AgentState, AgentSubsystem, GatewayAgentOptions } from './options.js';
