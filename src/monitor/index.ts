export type * from './client.js';
export type { BlocklistStore, MonitorCommand } from './commands.js';
export { connectEmbeddedMonitor, EmbeddedMonitorClient, type EmbeddedMonitorOptions } from './embedded-client.js';
export type { Health } from './model/health.js';
export { GatewayMonitorModel } from './model/model.js';
export { maxGatewaysPerGroup, safeguards, type MonitorEffect, type MonitorTimers, type Safeguard } from './model/types.js';
export { MonitorError, MonitorLimit, type MonitorErrorCode } from './protocol.js';
export { MonitorServer, type MonitorServerOptions } from './server.js';
export { parseNvmeGwShow, type NvmeGwShow } from './show-parser.js';
