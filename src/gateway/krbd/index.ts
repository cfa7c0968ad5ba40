export { openKrbdStore, type KrbdStore } from './store.js';
export { mapLine, type CephAuth, type MapRequest } from './map-options.js';
