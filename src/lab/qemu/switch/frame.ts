/**
 * The wire format of QEMU's `-netdev stream`: each Ethernet frame preceded by its length in 4 bytes,
 * big-endian (qemu net/stream.c). A "record" below is such a pair; the switch forwards records
 * unchanged, so that a frame is never copied.
 */
export const recordHeaderBytes = 4;

/** QEMU's own limit is 4 KiB + 64 KiB (NET_BUFSIZE, net/net.h); more than that is no frame. */
export const frameMaxBytes = 4_096 + 65_536;

/** An Ethernet header: two addresses and the EtherType. */
export const frameMinBytes = 14;

export class FrameStreamError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'FrameStreamError';
    this.code = code;
  }
}

/** Cuts a byte stream into records. After an error the stream has lost its frame boundaries for good. */
export class RecordReader {
  #pending: Buffer | undefined;

  /** The complete records up to here, as views of what was pushed. Throws a FrameStreamError for an impossible length. */
  push(chunk: Buffer): Buffer[] {
    const data = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    const records: Buffer[] = [];
    let offset = 0;
    while (data.length - offset >= recordHeaderBytes) {
      const length = data.readUInt32BE(offset);
      if (length < frameMinBytes || length > frameMaxBytes) {
        throw new FrameStreamError('FRAME_LENGTH', `a frame of ${length} bytes: not between ${frameMinBytes} and ${frameMaxBytes}`);
      }
      const end = offset + recordHeaderBytes + length;
      if (end > data.length) break;
      records.push(data.subarray(offset, end));
      offset = end;
    }
    this.#pending = offset === data.length ? undefined : data.subarray(offset);
    return records;
  }

  get pendingBytes(): number {
    return this.#pending?.length ?? 0;
  }
}

/** A record from a frame; for tests and for frames of our own. */
export function toRecord(frame: Buffer): Buffer {
  const record = Buffer.allocUnsafe(recordHeaderBytes + frame.length);
  record.writeUInt32BE(frame.length, 0);
  frame.copy(record, recordHeaderBytes);
  return record;
}

/** The 48-bit address at `offset` as a number (exact in a double). */
export function macAt(record: Buffer, offset: number): number {
  return record.readUIntBE(offset, 6);
}

/** Group addresses (broadcast, multicast) have the lowest bit of the first byte set (IEEE 802). */
export function isGroupAddress(mac: number): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}

/** What a rule can look at in an IPv4 packet. Addresses are 32-bit numbers; ports are 0 for anything but TCP and UDP. */
export interface Ipv4Header { source: number; destination: number; sourcePort: number; destinationPort: number }

/** The IPv4 header of a record's frame (RFC 791), undefined for every other EtherType or a packet too short for it. */
export function ipv4Of(record: Buffer): Ipv4Header | undefined {
  const ip = recordHeaderBytes + frameMinBytes;
  if (record.length < ip + 20 || record.readUInt16BE(ip - 2) !== 0x0800) return undefined;
  const headerBytes = (record[ip]! & 0x0f) * 4;
  const protocol = record[ip + 9]!;
  // Only the first fragment carries the ports.
  const firstFragment = (record.readUInt16BE(ip + 6) & 0x1fff) === 0;
  const hasPorts = (protocol === 6 || protocol === 17) && firstFragment && record.length >= ip + headerBytes + 4;
  return {
    source: record.readUInt32BE(ip + 12),
    destination: record.readUInt32BE(ip + 16),
    sourcePort: hasPorts ? record.readUInt16BE(ip + headerBytes) : 0,
    destinationPort: hasPorts ? record.readUInt16BE(ip + headerBytes + 2) : 0,
  };
}

/** "192.0.2.1" as a 32-bit number. Throws a RangeError for anything else. */
export function parseIpv4(text: string): number {
  const parts = text.split('.');
  if (parts.length !== 4 || parts.some((p) => !/^\d{1,3}$/.test(p) || Number(p) > 255)) throw new RangeError(`${text} is no IPv4 address`);
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}
