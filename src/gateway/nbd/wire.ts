/**
 * The bytes of the network block device protocol, as far as a client of one fixed newstyle export needs them
 * (NetworkBlockDevice/nbd, doc/proto.md). All numbers are big-endian.
 */

export const initMagic = 0x4e42444d41474943n; // NBDMAGIC
export const optionMagic = 0x49484156454f5054n; // IHAVEOPT
export const replyMagic = 0x0003e889045565a9n;
export const requestMagic = 0x25609513;
export const simpleReplyMagic = 0x67446698;

export const HandshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;
export const TransmissionFlag = { hasFlags: 1, readOnly: 2, sendFlush: 4, sendFua: 8, sendTrim: 32, sendWriteZeroes: 64 } as const;
export const Command = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;
export const CommandFlag = { fua: 1 } as const;

const optionGo = 7;
const infoExport = 0;
const infoBlockSize = 3;
const replyAck = 1;
const replyInfo = 3;
const replyErrorBit = 0x8000_0000;

/** Errors of replies: Linux's numbers. */
export const Errno = { EPERM: 1, EIO: 5, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95, ESHUTDOWN: 108 } as const;

export const greetingBytes = 18;
export const optionReplyBytes = 20;
export const simpleReplyBytes = 16;
export const requestBytes = 28;

/** The server's greeting: its handshake flags. Throws on anything but a newstyle server. */
export function readGreeting(bytes: Buffer): number {
  if (bytes.readBigUInt64BE(0) !== initMagic) throw new Error('not an NBD server');
  if (bytes.readBigUInt64BE(8) !== optionMagic) throw new Error('an oldstyle NBD server');
  return bytes.readUInt16BE(16);
}

/** The client's flags and NBD_OPT_GO for an export, asking for its block sizes. */
export function goMessage(serverFlags: number, exportName: string): Buffer {
  const name = Buffer.from(exportName);
  const data = Buffer.alloc(4 + name.length + 2 + 2);
  data.writeUInt32BE(name.length, 0);
  name.copy(data, 4);
  data.writeUInt16BE(1, 4 + name.length);
  data.writeUInt16BE(infoBlockSize, 6 + name.length);
  const message = Buffer.alloc(4 + 16);
  message.writeUInt32BE(serverFlags & (HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes), 0);
  message.writeBigUInt64BE(optionMagic, 4);
  message.writeUInt32BE(optionGo, 12);
  message.writeUInt32BE(data.length, 16);
  return Buffer.concat([message, data]);
}

export interface OptionReply { type: number; length: number }

export function readOptionReply(header: Buffer): OptionReply {
  if (header.readBigUInt64BE(0) !== replyMagic || header.readUInt32BE(8) !== optionGo) throw new Error('no reply to NBD_OPT_GO');
  return { type: header.readUInt32BE(12), length: header.readUInt32BE(16) };
}

/** What an export is. Sizes in bytes. */
export interface ExportInfo { sizeBytes: number; flags: number; minBlockBytes: number; maxBlockBytes: number }

/** By the protocol, for a server that does not tell. */
export const silentServer: Pick<ExportInfo, 'minBlockBytes' | 'maxBlockBytes'> = { minBlockBytes: 1, maxBlockBytes: 32 * 1024 ** 2 };

/** Takes one reply in. True: the server has agreed, and commands may follow. Throws what the server refused. */
export function takeOptionReply({ type }: OptionReply, data: Buffer, into: Partial<ExportInfo>): boolean {
  if (type >= replyErrorBit) throw new Error(`the server refused the export (reply ${type.toString(16)})${data.length === 0 ? '' : `: ${data.toString('utf8')}`}`);
  if (type === replyAck) return true;
  if (type !== replyInfo || data.length < 2) return false;
  const kind = data.readUInt16BE(0);
  if (kind === infoExport) {
    const size = data.readBigUInt64BE(2);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`an export of ${size} bytes`);
    into.sizeBytes = Number(size);
    into.flags = data.readUInt16BE(10);
  } else if (kind === infoBlockSize) {
    into.minBlockBytes = data.readUInt32BE(2);
    into.maxBlockBytes = data.readUInt32BE(10);
  }
  return false;
}

export interface Request { type: number; flags?: number; cookie: bigint; offset: number; length: number }

export function requestHeader({ type, flags = 0, cookie, offset, length }: Request): Buffer {
  const header = Buffer.alloc(requestBytes);
  header.writeUInt32BE(requestMagic, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return header;
}

export interface SimpleReply { errno: number; cookie: bigint }

export function readSimpleReply(header: Buffer): SimpleReply {
  if (header.readUInt32BE(0) !== simpleReplyMagic) throw new Error(`no reply of an NBD server (magic ${header.readUInt32BE(0).toString(16)})`);
  return { errno: header.readUInt32BE(4), cookie: header.readBigUInt64BE(8) };
}
