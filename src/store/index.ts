export { clientAddress, isAddress } from './address.js';
export { StoreClient, type StoreClientOptions, type StoreReport } from './client.js';
export { StoreError, type StoreErrorCode } from './errors.js';
export type { StoreCounters } from './executor.js';
export type { ImageSpec } from './image-catalog.js';
export { storeDefects, type StoreDefect } from './injection.js';
export { StoreLimit } from './limits.js';
export { StoreServer, type StoreInjection, type StoreServerOptions, type StoreState } from './server.js';
