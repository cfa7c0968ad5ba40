/** fio as a workload: jobs of the plan (plan/fio.ts) on a host, whose artifacts and events are evidence. */
export { buildPhase, jobFileName, logPrefix } from './build.js';
export type { FioPhaseCommand } from './build.js';
export { detectCapabilities, parseCmdHelp } from './capabilities.js';
export type { FioCapabilities } from './capabilities.js';
export { anchorLog } from './clock.js';
export type { LogAnchor, NodeClock } from './clock.js';
export { LocalFioRunner } from './local-runner.js';
export { EtaStream } from './eta-stream.js';
export type { FioCommandResult, FioExitStatus, FioRunner, RemoteProcess, StartOptions } from './runner.js';
export { FioWorkload, stopLimitMs } from './workload.js';
export type { FioWorkloadOptions } from './workload.js';
