import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Limit } from './limits.js';

/**
 * One field of a fixed-size little-endian structure. `read` may assume that the structure's size was
 * checked; `write` that the memory is zeroed.
 */
export interface Field<T> {
  at: number;
  /** What a field that is not given has. */
  fallback: T;
  read(b: Buffer, name: string): T;
  write(b: Buffer, value: T, name: string): void;
}

const two32 = 0x1_0000_0000;

export function u8(at: number): Field<number> {
  return { at, fallback: 0, read: (b) => b[at]!, write: (b, v, name) => void (b[at] = requireRange(name, v, 0, 0xff)) };
}

export function u16(at: number): Field<number> {
  return { at, fallback: 0, read: (b) => b.readUInt16LE(at), write: (b, v, name) => void b.writeUInt16LE(requireRange(name, v, 0, 0xffff), at) };
}

export function u32(at: number): Field<number> {
  return { at, fallback: 0, read: (b) => b.readUInt32LE(at), write: (b, v, name) => void b.writeUInt32LE(requireRange(name, v, 0, 0xffff_ffff), at) };
}

/** A u64 as a number. Values of 2^53 and more are refused (`FIELD_RANGE`) in both directions: use it for sizes that must be exact. */
export function u64(at: number): Field<number> {
  return {
    at,
    fallback: 0,
    read: (b, name) => requireRange(name, readU64(b, at), 0, Number.MAX_SAFE_INTEGER),
    write: (b, v, name) => writeU64(b, at, requireRange(name, v, 0, Number.MAX_SAFE_INTEGER)),
  };
}

/** A u64 counter as a bigint. */
export function u64big(at: number): Field<bigint> {
  return { at, fallback: 0n, read: (b) => b.readBigUInt64LE(at), write: (b, v, name) => void b.writeBigUInt64LE(requireBig(name, v, 64n), at) };
}

/** A 16-byte counter as a bigint. */
export function u128(at: number): Field<bigint> {
  return {
    at,
    fallback: 0n,
    read: (b) => b.readBigUInt64LE(at) | (b.readBigUInt64LE(at + 8) << 64n),
    write: (b, v, name) => {
      requireBig(name, v, 128n);
      b.writeBigUInt64LE(v & 0xffff_ffff_ffff_ffffn, at);
      b.writeBigUInt64LE(v >> 64n, at + 8);
    },
  };
}

/** Left-justified ASCII, padded with spaces (SN, MN, FR, TRSVCID, TRADDR). Trailing spaces and NULs are not part of the value. */
export function ascii(at: number, bytes: number): Field<string> {
  return {
    at,
    fallback: '',
    read: (b) => b.toString('latin1', at, at + bytes).replace(/[ \0]+$/, ''),
    write: (b, v, name) => {
      if (v.length > bytes || !/^[\x20-\x7e]*$/.test(v)) throw new NvmeCodecError('STRING_FIELD', `${name} is not at most ${bytes} printable ASCII characters`);
      b.fill(0x20, at, at + bytes);
      b.write(v, at, 'latin1');
    },
  };
}

/** An NQN: UTF-8, terminated by NUL in its field, at most 223 bytes. */
export function nqn(at: number, bytes = 256): Field<string> {
  return {
    at,
    fallback: '',
    read: (b, name) => {
      const end = b.indexOf(0, at);
      if (end < 0 || end > at + Limit.nqnMaxBytes || end >= at + bytes) {
        throw new NvmeCodecError('STRING_FIELD', `${name} has no terminating NUL within ${Limit.nqnMaxBytes + 1} bytes`);
      }
      return b.toString('utf8', at, end);
    },
    write: (b, v, name) => {
      if (v.includes('\0')) throw new NvmeCodecError('STRING_FIELD', `${name} contains a NUL`);
      if (Buffer.byteLength(v) > Limit.nqnMaxBytes) throw new NvmeCodecError('STRING_FIELD', `${name} is longer than ${Limit.nqnMaxBytes} bytes`);
      b.write(v, at, 'utf8');
    },
  };
}

/** Raw bytes of exactly this length, e.g. an NGUID. Decoding gives a copy. */
export function bytes(at: number, length: number): Field<Buffer> {
  return {
    at,
    fallback: Buffer.alloc(length),
    read: (b) => Buffer.from(b.subarray(at, at + length)),
    write: (b, v, name) => {
      if (v.length !== length) throw new NvmeCodecError('FIELD_RANGE', `${name} has ${v.length} bytes, not ${length}`);
      v.copy(b, at);
    },
  };
}

/** Exact below 2^53; above, the nearest double (which is also at least 2^53). */
export function readU64(b: Buffer, at: number): number {
  return b.readUInt32LE(at) + b.readUInt32LE(at + 4) * two32;
}

/** `value` must be a safe integer ≥ 0. */
export function writeU64(b: Buffer, at: number, value: number): void {
  b.writeUInt32LE(value % two32, at);
  b.writeUInt32LE(Math.floor(value / two32), at + 4);
}

export function requireBig(name: string, value: bigint, bits: bigint): bigint {
  if (value < 0n || value >> bits !== 0n) throw new NvmeCodecError('FIELD_RANGE', `${name} = ${String(value)} is not an unsigned ${String(bits)}-bit integer`);
  return value;
}

// A table of fields of mixed types: only the mapped type below can say which name has which.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Fields = Record<string, Field<any>>;
export type StructOf<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export interface Struct<T> {
  readonly size: number;
  /** `size` bytes, fields not given are zero (ASCII fields: spaces). Throws `FIELD_RANGE`, `STRING_FIELD`. */
  encode(fields: Partial<T>): Buffer;
  /** Reads at the start of `b`; more bytes are ignored. Throws `TRUNCATED`, `FIELD_RANGE`, `STRING_FIELD`. */
  decode(b: Buffer): T;
}

/** A codec for a structure whose fields are at fixed offsets; bytes that no field covers are 0 and ignored. */
export function struct<F extends Fields>(what: string, size: number, fields: F): Struct<StructOf<F>> {
  const entries = Object.entries(fields);
  return {
    size,
    encode(values) {
      const out = Buffer.alloc(size);
      for (const [name, field] of entries) {
        const value: unknown = values[name];
        field.write(out, value === undefined ? field.fallback : value, `${what}.${name}`);
      }
      return out;
    },
    decode(b) {
      requireBytes(what, b, size);
      const out: Record<string, unknown> = {};
      for (const [name, field] of entries) out[name] = field.read(b, `${what}.${name}`);
      return out as StructOf<F>;
    },
  };
}
