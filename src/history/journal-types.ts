/**
 * What the I/O journal says, record by record (docs/FORMAT.md, "I/O journal").
 *
 * A version is unique per write operation: writer × 2^40 + sequence, exact in a double. All blocks of one
 * write carry its version. Version 0 is "never written" (the block reads as zeroes).
 */
export const neverWritten = 0;
export const writerShift = 2 ** 40;

/** What a read found in one logical block. */
export type BlockObservation =
  /** A sound stamp of this namespace and LBA (or zeroes: version 0). */
  | { kind: 'version'; version: number }
  /** Magic present, but the CRC does not match: parts of different writes, or bits flipped. */
  | { kind: 'torn'; version: number }
  /** A sound stamp that names another LBA of this namespace. */
  | { kind: 'misdirected'; version: number; lba: number }
  /** A sound stamp that names another namespace. */
  | { kind: 'wrong-namespace'; version: number; nsUuid: string; lba: number }
  /** A sound stamp of another run. */
  | { kind: 'foreign-run'; version: number; lba: number }
  /** Neither zeroes nor a stamp. */
  | { kind: 'garbage'; firstBytesHex: string };

export type JournalRecord =
  /** Written to the journal before the operation may reach a wire. For a write, `version` is what it carries. */
  | { kind: 'invoke'; op: number; tUs: number; what: 'read' | 'write'; purpose: 'load' | 'probe' | 'reread-at-once' | 'reread-delayed' | 'audit'; ns: number; slba: number; nlb: number; version: number }
  /** `blocks`: one observation per logical block of a read that ended ok, else empty. */
  | { kind: 'complete'; op: number; tUs: number; outcome: 'ok' | 'fail' | 'info'; status: number; code: string; path: string | null; sends: number; blocks: BlockObservation[] };

export interface JournalHeader {
  format: 1;
  runId: string;
  /** The host that wrote it. */
  host: string;
  writer: number;
  /** `ns` in a record is an index into this list. */
  namespaces: { uuid: string; nsid: number; blockSize: number; blocks: number }[];
}

/**
 * The journals of a run, one per host. Records of one journal come in the order in which they were
 * written, so an invoke comes before its completion and times never go back within one journal.
 */
export interface JournalSource {
  headers(): Promise<JournalHeader[]>;
  /** Streams all records of one journal; `chunk` so that a reader of ten million records awaits rarely. */
  records(header: JournalHeader): AsyncIterable<readonly JournalRecord[]>;
  /** Torn tail, bad CRC…, in words; complete once the records were read. Empty: the journal was whole. */
  problems(): string[];
}
