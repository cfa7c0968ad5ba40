/** Fields of a verify header that fio compares. `seed` only with `verify_header_seed=1`, `numberio` only with `verify_write_sequence=1`. */
export type HeaderField = 'magic' | 'version' | 'length' | 'seed' | 'offset' | 'numberio' | 'crc';

interface At {
  /** 1-based line of the first line, and how many lines belong to it. */
  readonly line: number;
  readonly lines: number;
  /** The lines as printed. */
  readonly text: string;
}

/** The read that fio was verifying: offset in the file and length, bytes. */
export interface RequestedBlock {
  readonly offset: number;
  readonly length: number;
}

/** A block whose header is not what fio wrote there. */
export interface VerifyHeaderMessage extends At {
  readonly kind: 'verify-header';
  readonly field: HeaderField;
  /** The value on the medium, and the value that belongs there (for `crc`: the one calculated). */
  readonly actual: bigint;
  readonly wanted: bigint;
  readonly file: string;
  /** Of the verify interval, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly request?: RequestedBlock;
}

/** A block whose header is right and whose payload is not. */
export interface VerifyDataMessage extends At {
  readonly kind: 'verify-data';
  /** fio's name of the check, cut to 8 characters by fio: `crc32c`, `sha3-256`, `pattern`, … */
  readonly check: string;
  readonly file: string;
  readonly offset: number;
  /** Of the verify interval, bytes. Nonsense for `verify=pattern` in fio 3.33: it prints pattern bytes there. */
  readonly length: number;
  readonly request?: RequestedBlock;
  /** Checksums in hex, in the byte order of the medium. */
  readonly expectedHex?: string;
  readonly receivedHex?: string;
  /** First byte that differs from the pattern; `blockOffset` counts from the start of the verify interval. */
  readonly pattern?: { readonly got: number; readonly wanted: number; readonly badBits: number; readonly blockOffset?: number };
  /** Files written with `verify_dump=1`. */
  readonly dumps: readonly { readonly what: string; readonly path: string }[];
  /** Set when the block was written with another `verify=` (numbers of fio's enum). */
  readonly typeMismatch?: { readonly media: number; readonly given: number };
}

/** A trimmed block that does not read as zeroes (`trim_verify_zero`). */
export interface VerifyTrimMessage extends At {
  readonly kind: 'verify-trim';
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  /** Of the first byte that is not zero, from `offset`. */
  readonly blockOffset: number;
}

/** An I/O that the device or kernel failed. */
export interface IoErrorMessage extends At {
  readonly kind: 'io-error';
  readonly file: string;
  readonly error: string;
  /** `read`, `write`, `trim`, `sync`, … */
  readonly direction: string;
  readonly offset: number;
  readonly length: number;
}

/** A job that ended with an error. */
export interface JobErrorMessage extends At {
  readonly kind: 'job-error';
  readonly pid: number;
  /** errno; absent when a signal ended the job. */
  readonly errno?: number;
  readonly signal?: number;
  /** Where in fio's sources, e.g. `io_u.c:2152`. */
  readonly source?: string;
  readonly function?: string;
  readonly error?: string;
}

/** fio was told to stop. */
export interface TerminatedMessage extends At {
  readonly kind: 'terminated';
  readonly signal: number;
}

/** fio did not understand what it was asked to do; nothing ran. */
export interface OptionMessage extends At {
  readonly kind: 'option';
}

/** About loading, saving or using verify state. */
export interface VerifyStateMessage extends At {
  readonly kind: 'verify-state';
}

/** Any other line that begins with `fio: `. */
export interface OtherMessage extends At {
  readonly kind: 'other';
}

export type FioMessage =
  | VerifyHeaderMessage
  | VerifyDataMessage
  | VerifyTrimMessage
  | IoErrorMessage
  | JobErrorMessage
  | TerminatedMessage
  | OptionMessage
  | VerifyStateMessage
  | OtherMessage;
