/** Admin command opcodes (NVMe base specification, "Admin Command Set"). */
export const AdminOpcode = {
  getLogPage: 0x02,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEventRequest: 0x0c,
  keepAlive: 0x18,
  /** TP8028, Cross-Controller Reset. */
  crossControllerReset: 0x38,
  fabrics: 0x7f,
} as const;

/** NVM command set opcodes. */
export const IoOpcode = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  writeUncorrectable: 0x04,
  compare: 0x05,
  writeZeroes: 0x08,
  datasetManagement: 0x09,
  verify: 0x0c,
  reservationRegister: 0x0d,
  reservationReport: 0x0e,
  reservationAcquire: 0x11,
  reservationRelease: 0x15,
  fabrics: 0x7f,
} as const;

/** FCTYPE of a Fabrics command (opcode 7Fh). */
export const FabricsType = {
  propertySet: 0x00,
  connect: 0x01,
  propertyGet: 0x04,
  authSend: 0x05,
  authReceive: 0x06,
  disconnect: 0x08,
} as const;

/** Offsets of the controller properties. CAP is 8 bytes, the others 4. */
export const Property = { cap: 0x00, vs: 0x08, cc: 0x14, csts: 0x1c, nssr: 0x20 } as const;

export const FeatureId = {
  numberOfQueues: 0x07,
  asyncEventConfig: 0x0b,
  keepAliveTimer: 0x0f,
} as const;

/** Log page identifiers. */
export const LogId = {
  error: 0x01,
  smart: 0x02,
  firmwareSlot: 0x03,
  changedNamespaces: 0x04,
  commandEffects: 0x05,
  ana: 0x0c,
  crossControllerReset: 0x1e,
  lostHostCommunication: 0x1f,
  discovery: 0x70,
  reservation: 0x80,
} as const;

/** CNS values of Identify. */
export const Cns = {
  namespace: 0x00,
  controller: 0x01,
  activeNamespaces: 0x02,
  namespaceDescriptors: 0x03,
  /** I/O command set specific namespace / controller, independent namespace, command set combinations. */
  ioNamespace: 0x05,
  ioController: 0x06,
  independentNamespace: 0x08,
  ioCommandSets: 0x1c,
} as const;

/** CATTR of Connect. */
export const ConnectAttribute = {
  /** The queue runs without SQ flow control: SQHD is not valid, SUCCESS on C2HData is allowed. */
  disableSqFlow: 1 << 2,
} as const;

/** CNTLID of an admin Connect: the controller chooses (dynamic controller model). */
export const cntlidDynamic = 0xffff;

/** Command flags: PSDT = 01b (SGL), the only one that Fabrics allows. */
export const psdtSgl = 1;

/** FUSE field: a compare and a write that the controller executes as one, or not at all. */
export const Fuse = { none: 0, first: 1, second: 2 } as const;
