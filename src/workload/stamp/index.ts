export { bytesToUuid, notSound, runIdBytes, StampCodec, stampFormatVersion, stampHeaderBytes, stampMagic, uuidToBytes } from './codec.js';
export type { StampOptions } from './codec.js';
export { abortMaxMs, drainMaxMs, journalHeaderOf, StampRunner } from './runner.js';
export type { NamespaceTotals, StampRunnerOptions } from './runner.js';
export { rereadBytes, rereadDepth } from './reread.js';
export type { RereadEvent, RereadPass, RereadResult } from './reread.js';
