import { CephError } from './errors.js';

/**
 * Ceph's wire encoding (ceph/src/include/encoding.h; facts: msgr2.md §1): little-endian integers, strings and
 * lists behind a u32 count, and versioned structures `{u8 struct_v, u8 struct_compat, u32 length, bytes}`.
 */
export class Encoder {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written; the encoder is not to be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#buffer.writeUInt8(checked(value, 0, 0xff), at);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeUInt16LE(checked(value, 0, 0xffff), at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(checked(value, 0, 0xffff_ffff), at);
    return this;
  }

  u64(value: bigint): this {
    if (value < 0n || value > u64Max) throw new CephError('MSGR_FIELD', `${value} is no u64`);
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64LE(value, at);
    return this;
  }

  s16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeInt16LE(checked(value, -0x8000, 0x7fff), at);
    return this;
  }

  s32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeInt32LE(checked(value, -0x8000_0000, 0x7fff_ffff), at);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** A bufferlist: u32 length and the bytes. */
  blob(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  string(text: string): this {
    return this.blob(Buffer.from(text, 'utf8'));
  }

  list<T>(items: readonly T[], item: (value: T) => void): this {
    this.u32(items.length);
    for (const value of items) item(value);
    return this;
  }

  /** A versioned structure; `body` writes its fields with this encoder. */
  struct(version: number, compat: number, body: () => void): this {
    this.u8(version).u8(compat);
    const lengthAt = this.#grow(4);
    const start = this.#length;
    body();
    this.#buffer.writeUInt32LE(this.#length - start, lengthAt);
    return this;
  }

  /** Makes room for `bytes` and returns where they begin. Call it before `#buffer` is looked at: it may replace it. */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }
}

const u64Max = 0xffff_ffff_ffff_ffffn;

function checked(value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) throw new CephError('MSGR_FIELD', `${value} is not an integer in ${min}..${max}`);
  return value;
}

/** Encodes with a fresh encoder. */
export function encoded(write: (encoder: Encoder) => void): Buffer {
  const encoder = new Encoder();
  write(encoder);
  return encoder.finish();
}

/** Reads what {@link Encoder} writes. Every read checks the bytes that are left; slices share the input's memory. */
export class Decoder {
  readonly #buffer: Buffer;
  #at: number;
  #end: number;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#at = 0;
    this.#end = buffer.length;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#take(8));
  }

  s16(): number {
    return this.#buffer.readInt16LE(this.#take(2));
  }

  s32(): number {
    return this.#buffer.readInt32LE(this.#take(4));
  }

  /** u8; any value but 0 is true, as in Ceph. */
  bool(): boolean {
    return this.u8() !== 0;
  }

  raw(bytes: number): Buffer {
    const at = this.#take(bytes);
    return this.#buffer.subarray(at, at + bytes);
  }

  /** A bufferlist of at most `bytesMax` bytes. */
  blob(bytesMax = Infinity): Buffer {
    const bytes = this.u32();
    if (bytes > bytesMax) throw new CephError('MSGR_LIMIT', `${bytes} bytes where ${bytesMax} are allowed`);
    return this.raw(bytes);
  }

  string(bytesMax = Infinity): string {
    return this.blob(bytesMax).toString('utf8');
  }

  /** A list of at most `countMax` elements, each of which takes at least one byte. */
  list<T>(countMax: number, item: () => T): T[] {
    const count = this.u32();
    if (count > countMax) throw new CephError('MSGR_LIMIT', `${count} elements where ${countMax} are allowed`);
    // Before anything is allocated: a count alone must not cost memory.
    if (count > this.remaining) throw new CephError('MSGR_TRUNCATED', `${count} elements in ${this.remaining} bytes`);
    const items: T[] = [];
    for (let i = 0; i < count; i += 1) items.push(item());
    return items;
  }

  /**
   * A versioned structure: `body` reads the fields that struct_v says are there; what it leaves (fields of newer
   * versions) is skipped. Throws MSGR_COMPAT if the peer says that only code that knows more than `knownVersion` may read it.
   */
  struct<T>(what: string, knownVersion: number, body: (version: number) => T): T {
    const version = this.u8();
    const compat = this.u8();
    const bytes = this.u32();
    if (compat > knownVersion) throw new CephError('MSGR_COMPAT', `${what} v${version} needs at least v${compat}, this client has v${knownVersion}`);
    if (bytes > this.remaining) throw new CephError('MSGR_TRUNCATED', `${what} has ${bytes} bytes, ${this.remaining} are left`);
    const outerEnd = this.#end;
    const structEnd = this.#at + bytes;
    this.#end = structEnd;
    const value = body(version);
    this.#end = outerEnd;
    this.#at = structEnd;
    return value;
  }

  /** All that is left, without a length. */
  rest(): Buffer {
    return this.raw(this.remaining);
  }

  /** Throws MSGR_FIELD if bytes are left over, where none can belong. */
  end(what: string): void {
    if (this.remaining !== 0) throw new CephError('MSGR_FIELD', `${this.remaining} bytes after the end of ${what}`);
  }

  #take(bytes: number): number {
    if (bytes > this.remaining) throw new CephError('MSGR_TRUNCATED', `${bytes} bytes needed, ${this.remaining} left`);
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}
