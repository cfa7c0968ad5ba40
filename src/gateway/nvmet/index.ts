export { ConfigFs, nvmetRoot } from './configfs.js';
export type { NamespaceDevice, OpenDevice } from './device.js';
export { NvmetControl, type NvmetAccess, type NvmetControlOptions } from './nvmet-control.js';
