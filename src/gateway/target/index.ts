export { NvmeTcpTarget } from './target.js';
export { TargetError } from './errors.js';
export type { TargetErrorCode } from './errors.js';
export type { IoInfo, TargetHooks } from './hooks.js';
export type {
  ControllerEndCause, ListenerOptions, NvmeTcpTargetOptions, TargetConnection, TargetEvent, TargetNamespaceOptions, TargetSubsystemOptions,
} from './options.js';
export { UserspaceControl } from './userspace-control.js';
