/**
 * Speed of the NVMe/TCP codec. Run by hand: `npx tsx bench/nvme-codec.ts`.
 *
 * Machines and their moods differ, so every rate is also printed as a ratio to a plain Buffer.copy of the
 * same bytes in the same round; compare ratios between runs, not MB/s. Each figure is the best of several
 * rounds: the one that other load disturbed least.
 */
import { crc32c, encodePdu, IoOpcode, makeCqe, PduReader, rwCommand } from '../src/nvme/index.js';
import type { Digests, Pdu } from '../src/nvme/index.js';

const rounds = 7;
const roundMs = 150;

/** Best time of one call, nanoseconds. */
function bestNs(run: () => void): number {
  for (let i = 0; i < 200; i += 1) run();
  let best = Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const start = process.hrtime.bigint();
    const until = start + BigInt(roundMs) * 1_000_000n;
    let calls = 0;
    let now = start;
    while (now < until) {
      for (let i = 0; i < 16; i += 1) run();
      calls += 16;
      now = process.hrtime.bigint();
    }
    best = Math.min(best, Number(now - start) / calls);
  }
  return best;
}

function row(name: string, bytes: number, ns: number, copyNs: number): void {
  const mbPerS = (bytes / ns) * 1000;
  const perS = Math.round(1e9 / ns);
  console.log(`${name.padEnd(44)} ${mbPerS.toFixed(0).padStart(8)} MB/s ${String(perS).padStart(10)} /s   copy x${(ns / copyNs).toFixed(2)}`);
}

/** Keeps results alive, so that nothing measured is optimised away. */
let sink = 0;

function copyNsOf(bytes: number): number {
  const from = Buffer.alloc(bytes, 0x5a);
  const to = Buffer.alloc(bytes);
  return bestNs(() => {
    sink += from.copy(to);
  });
}

function benchCrc(bytes: number): void {
  const data = Buffer.alloc(bytes, 0x5a);
  const copyNs = copyNsOf(bytes);
  row(`crc32c ${bytes} B`, bytes, bestNs(() => void (sink += crc32c(data))), copyNs);
}

function benchPdu(name: string, pdu: Pdu, digests: Digests, role: 'host' | 'controller'): void {
  const wire = Buffer.concat(encodePdu(pdu, digests));
  const copyNs = copyNsOf(wire.length);
  const label = `${name}${digests.header ? ' +hdgst' : ''}${digests.data ? ' +ddgst' : ''}`;
  row(`encode ${label}`, wire.length, bestNs(() => void (sink += encodePdu(pdu, digests).length)), copyNs);
  const reader = new PduReader({ role, digests });
  row(`parse  ${label}`, wire.length, bestNs(() => void (sink += reader.push(wire).length)), copyNs);
}

/** As a socket delivers it: 64 KiB at a time, PDUs across the cuts. */
function benchStream(payloadBytes: number, digests: Digests): void {
  const pdu: Pdu = { type: 'C2HData', cid: 1, offset: 0, data: Buffer.alloc(payloadBytes, 0x5a), last: true, success: true };
  const one = Buffer.concat(encodePdu(pdu, digests));
  const stream = Buffer.concat(Array.from({ length: Math.ceil((4 * 1024 * 1024) / one.length) }, () => one));
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536) chunks.push(stream.subarray(at, at + 65_536));
  const reader = new PduReader({ role: 'host', digests });
  const ns = bestNs(() => {
    for (const chunk of chunks) sink += reader.push(chunk).length;
  });
  row(`stream of ${payloadBytes} B C2HData${digests.data ? ' +hdgst +ddgst' : ''}`, stream.length, ns, copyNsOf(stream.length));
}

const off: Digests = { header: false, data: false };
const on: Digests = { header: true, data: true };
const block = Buffer.alloc(4096, 0x5a);
const write = rwCommand({ opcode: IoOpcode.write, cid: 1, nsid: 1, slba: 8, nlb: 8, inCapsuleBytes: block.length });

console.log(`node ${process.version}, best of ${rounds} rounds of ${roundMs} ms; "copy xN": N times the time of Buffer.copy of the same bytes`);
for (const bytes of [24, 512, 4096, 131_072]) benchCrc(bytes);
for (const digests of [off, on]) {
  benchPdu('CapsuleCmd write 4 KiB', { type: 'CapsuleCmd', sqe: write, data: block }, digests, 'controller');
  benchPdu('CapsuleResp', { type: 'CapsuleResp', cqe: makeCqe({ cid: 1, sqhd: 3 }) }, digests, 'host');
  benchPdu('C2HData 4 KiB', { type: 'C2HData', cid: 1, offset: 0, data: block, last: true, success: true }, digests, 'host');
  benchPdu('R2T', { type: 'R2T', cid: 1, ttag: 1, offset: 0, length: 4096 }, digests, 'host');
}
for (const digests of [off, on]) for (const bytes of [4096, 131_072, 1_048_576]) benchStream(bytes, digests);
if (sink === 0) throw new Error('nothing was measured');
