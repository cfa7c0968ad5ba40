import { parseIpv4 } from './frame.js';

export function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

export function ethernet(destination: string, source: string, payload: Buffer, etherType = 0x0800): Buffer {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(etherType, 0);
  return Buffer.concat([mac(destination), mac(source), type, payload]);
}

export interface TcpPacket { source: string; destination: string; sourcePort: number; destinationPort: number; to?: string; from?: string }

/** An Ethernet frame with the start of a TCP segment in IPv4; checksums are zero, nobody looks. */
export function tcpPacket(p: TcpPacket): Buffer {
  const packet = Buffer.alloc(40);
  packet[0] = 0x45;
  packet[9] = 6;
  packet.writeUInt32BE(parseIpv4(p.source), 12);
  packet.writeUInt32BE(parseIpv4(p.destination), 16);
  packet.writeUInt16BE(p.sourcePort, 20);
  packet.writeUInt16BE(p.destinationPort, 22);
  return ethernet(p.to ?? '02:00:00:00:00:02', p.from ?? '02:00:00:00:00:01', packet);
}
