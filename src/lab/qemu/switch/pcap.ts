import { closeSync, openSync, writeSync } from 'node:fs';
import { recordHeaderBytes } from './frame.js';

/**
 * A pcap file with nanosecond times (draft-ietf-opsawg-pcap: magic 0xa1b23c4d, version 2.4, link type 1,
 * Ethernet), written in blocks: tcpdump and Wireshark read it, also while it grows.
 */
const snapLengthBytes = 262_144;
const blockBytes = 256 * 1024;

export class PcapFile {
  readonly file: string;
  records = 0;
  readonly #fd: number;
  #block: Buffer = Buffer.allocUnsafe(blockBytes);
  #used = 0;

  /** Throws the file system's error when the file cannot be made. */
  constructor(file: string) {
    this.file = file;
    this.#fd = openSync(file, 'w');
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b23c4d, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(snapLengthBytes, 16);
    header.writeUInt32LE(1, 20);
    this.#append(header);
  }

  /** One frame; `wallUs` is microseconds since 1970. */
  write(record: Buffer, wallUs: number): void {
    const length = record.length - recordHeaderBytes;
    const header = Buffer.allocUnsafe(16);
    header.writeUInt32LE(Math.floor(wallUs / 1_000_000), 0);
    header.writeUInt32LE(Math.floor(wallUs % 1_000_000) * 1_000, 4);
    header.writeUInt32LE(length, 8);
    header.writeUInt32LE(length, 12);
    this.#append(header);
    this.#append(record.subarray(recordHeaderBytes));
    this.records++;
  }

  flush(): void {
    for (let done = 0; done < this.#used;) done += writeSync(this.#fd, this.#block, done, this.#used - done);
    this.#used = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#fd);
  }

  #append(bytes: Buffer): void {
    if (this.#used + bytes.length > this.#block.length) this.flush();
    bytes.copy(this.#block, this.#used);
    this.#used += bytes.length;
  }
}
