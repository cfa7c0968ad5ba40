export { SwitchClient } from './client.js';
export { SwitchCore, delayedMaxBytes, type PortCounters, type PortState } from './core.js';
export { adoptSwitch, startSwitch, type RunningSwitch } from './process.js';
export { portSocketPath, type Capture, type SwitchConfig } from './protocol.js';
export type { RuleSpec } from './rules.js';
export type { SwitchPortState } from './server.js';
