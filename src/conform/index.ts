export { catalog } from './catalog/index.js';
export { conform, type Attempt, type ConformOptions, type ConformVerdict, type ScheduleResult } from './conform.js';
export { keyFromKeyring } from '../ceph/keyring-file.js';
export { startOwnMonitors, useMonitor, type Monitors } from './monitors.js';
export { resultJson, resultLines, summaryLine } from './report.js';
export type { Schedule, ScheduleStep } from './schedule.js';
