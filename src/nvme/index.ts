/**
 * The NVMe/TCP wire codec, both directions: bytes in, values out, and back. No sockets, no state but that of
 * a PduReader. Sources: the NVMe base, NVM command set and NVMe/TCP transport specifications, checked
 * against Linux and SPDK where they leave room.
 */
export * from './admin-commands.js';
export * from './aer.js';
export * from './ana.js';
export * from './cqe.js';
export * from './crc32c.js';
export * from './errors.js';
export * from './fabrics.js';
export * from './features.js';
export * from './identify.js';
export * from './io-commands.js';
export * from './limits.js';
export * from './logs.js';
export * from './opcodes.js';
export * from './pdu.js';
export * from './pdu-encode.js';
export * from './pdu-reader.js';
export * from './properties.js';
export * from './sqe.js';
export * from './status.js';
