/**
 * The userspace NVMe/TCP multipath host: what Linux' nvme-tcp and native multipath do, observable and
 * controllable down to the single command.
 */
export { MultipathHost } from './multipath-host.js';
export type { ControllerSpec, HostInventory } from './multipath-host.js';
export { NamespaceHead } from './head.js';
export type { RequeueState } from './head.js';
export { Controller } from './controller.js';
export type { FirstConnect } from './controller.js';
export { Path } from './path.js';
export { resolveOptions, maxReconnects } from './options.js';
export type { FailoverHold, HostOptions, ResolvedHostOptions } from './options.js';
export type { HostEvent, HostEventListener } from './events.js';
export { HostCounters } from './counters.js';
export type { DataHold, HeldTransfer, HoldOptions, HoldPredicate } from './data-hold.js';
export type { ActivateHook, ActivateRequest, ActivationRecord } from './activation.js';
export type { IoCode } from './io-result.js';
export type { HostTree } from './tree.js';
export { discover } from './discover.js';
export type { DiscoverOptions } from './discover.js';
export { CommandFailed, ConnectionLost, ControllerRefused } from './loss.js';
export type { LossCause } from './loss.js';
