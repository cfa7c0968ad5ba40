import { isIPv4, isIPv6 } from 'node:net';
import type { Decoder, Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { Limit } from './limits.js';

/** entity_addr_t types (ceph/src/msg/msg_types.h). */
export const AddressType = { none: 0, legacy: 1, msgr2: 2, any: 3, cidr: 4 } as const;

/** An entity_addr_t. `host` is an IPv4 or IPv6 address in text form, or '' for the blank address. */
export interface EntityAddress {
  type: number;
  nonce: number;
  host: string;
  port: number;
}

const family = { blank: 0, inet: 2, inet6: 10 } as const;
const sockaddrBytes = { inet: 16, inet6: 28 } as const;
/** sockaddr_storage, which the encoding of old clients carries whole. */
const legacySockaddrBytes = 128;

/** The encoding with marker 1 (facts: msgr2.md §1). Throws MSGR_FIELD if `host` is no address. */
export function encodeAddress(e: Encoder, address: EntityAddress): void {
  e.u8(1).struct(1, 1, () => {
    e.u32(address.type).u32(address.nonce);
    const { host } = address;
    if (host === '') {
      e.u32(sockaddrBytes.inet6).u16(family.blank).raw(Buffer.alloc(sockaddrBytes.inet6 - 2));
    } else if (isIPv4(host)) {
      e.u32(sockaddrBytes.inet).u16(family.inet).raw(bigEndianPort(address.port)).raw(ipv4Bytes(host)).raw(Buffer.alloc(8));
    } else if (isIPv6(host) && !host.includes('%')) {
      e.u32(sockaddrBytes.inet6).u16(family.inet6).raw(bigEndianPort(address.port)).u32(0).raw(ipv6Bytes(host)).u32(0);
    } else {
      throw new CephError('MSGR_FIELD', `${JSON.stringify(host)} is no IP address`);
    }
  });
}

export function decodeAddress(d: Decoder): EntityAddress {
  return decodeAfterMarker(d, d.u8());
}

function decodeAfterMarker(d: Decoder, marker: number): EntityAddress {
  if (marker === 0) {
    d.raw(3);
    const nonce = d.u32();
    const sockaddr = d.raw(legacySockaddrBytes);
    // Only this encoding has the family in network order.
    return { type: AddressType.legacy, nonce, ...fromSockaddr(sockaddr.readUInt16BE(0), sockaddr.subarray(2)) };
  }
  if (marker !== 1) throw new CephError('MSGR_FIELD', `entity_addr with marker ${marker}`);
  return d.struct('entity_addr', 1, () => {
    const type = d.u32();
    const nonce = d.u32();
    const sockaddr = d.blob(legacySockaddrBytes);
    if (sockaddr.length === 0) return { type, nonce, host: '', port: 0 };
    if (sockaddr.length < 2) throw new CephError('MSGR_TRUNCATED', 'entity_addr without a family');
    return { type, nonce, ...fromSockaddr(sockaddr.readUInt16LE(0), sockaddr.subarray(2)) };
  });
}

function fromSockaddr(familyCode: number, data: Buffer): { host: string; port: number } {
  switch (familyCode) {
    case family.blank:
      return { host: '', port: 0 };
    case family.inet:
      if (data.length < sockaddrBytes.inet - 2) break;
      return { host: data.subarray(2, 6).join('.'), port: data.readUInt16BE(0) };
    case family.inet6:
      if (data.length < sockaddrBytes.inet6 - 2) break;
      return { host: ipv6Text(data.subarray(6, 22)), port: data.readUInt16BE(0) };
    default:
      throw new CephError('MSGR_FIELD', `entity_addr of address family ${familyCode}`);
  }
  throw new CephError('MSGR_TRUNCATED', `entity_addr of family ${familyCode} in ${data.length + 2} bytes`);
}

/** entity_addrvec_t. */
export function encodeAddresses(e: Encoder, addresses: readonly EntityAddress[]): void {
  e.u8(2).list(addresses, (address) => encodeAddress(e, address));
}

/** Also reads a single entity_addr, which is what older peers send in its place. */
export function decodeAddresses(d: Decoder): EntityAddress[] {
  const marker = d.u8();
  if (marker === 2) return d.list(Limit.addressesMax, () => decodeAddress(d));
  return [decodeAfterMarker(d, marker)];
}

/** `10.0.0.1:6789/77`, `[fe80::1]:0/77`: how Ceph prints addresses, without the type. */
export function addressText({ host, port, nonce }: EntityAddress): string {
  return host === '' ? '-' : `${host.includes(':') ? `[${host}]` : host}:${port}/${nonce}`;
}

export function sameEndpoint(a: Pick<EntityAddress, 'host' | 'port'>, b: Pick<EntityAddress, 'host' | 'port'>): boolean {
  return a.host === b.host && a.port === b.port;
}

/** The one text form of an IP address that this module's comparisons rely on; IPv4 mapped into IPv6 becomes IPv4. */
export function canonicalHost(host: string): string {
  if (isIPv4(host) || !isIPv6(host) || host.includes('%')) return host;
  const bytes = ipv6Bytes(host);
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.readUInt16BE(10) === 0xffff;
  return mapped ? bytes.subarray(12).join('.') : ipv6Text(bytes);
}

function bigEndianPort(port: number): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new CephError('MSGR_FIELD', `port ${port}`);
  return Buffer.from([port >>> 8, port & 0xff]);
}

function ipv4Bytes(host: string): Buffer {
  return Buffer.from(host.split('.').map(Number));
}

function ipv6Bytes(host: string): Buffer {
  // The URL parser brings every form (embedded IPv4, leading zeros) to hexadecimal groups with at most one "::".
  const [head = '', tail] = new URL(`http://[${host}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const bytes = Buffer.alloc(16);
  left.forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  right.forEach((group, i) => bytes.writeUInt16BE(group, 16 - (right.length - i) * 2));
  return bytes;
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
