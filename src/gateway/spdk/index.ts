export { SpdkControl, type SpdkAccess } from './control.js';
export { openSpdkStore, type SpdkCluster, type SpdkStore } from './store.js';
export { SpdkTarget } from './target.js';
export { JsonRpcClient, SpdkRpcError } from './json-rpc.js';
