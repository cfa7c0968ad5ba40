/** The artifacts of fio in a stored run: where they lie, and what they say. */
export { fioDir, fioFiles, fioLogName, openFioSource } from './files.js';
export type { FioSource } from './files.js';
export { readFio, readFioProcess, readFioState } from './reading.js';
export { skipsErroredWrites } from './versions.js';
export type { FioFault, FioReading, FioTexts } from './reading.js';
