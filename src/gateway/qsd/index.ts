export { StorageDaemon, type ExportedDevice, type StorageDaemonOptions } from './daemon.js';
export { openQsdStore, type QsdImage, type QsdStore, type QsdStoreOptions } from './store.js';
