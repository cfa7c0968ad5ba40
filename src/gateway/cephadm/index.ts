export { parseServed, readServed, servedFile, servedListeners, servedNamespaces, servedTimers, type Served, type ServedConfig } from './served.js';
export { readCephadmSettings, type CephadmSettings } from './settings.js';
