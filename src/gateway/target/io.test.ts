import { describe, expect, it } from 'vitest';
import { dsmCommand, encodeDsmRanges, encodeSqe, IoOpcode, rwCommand, Status } from '../../nvme/index.js';
import type { BackendErrorKind } from '../backend.js';
import { fixture, pattern } from './testing/fixture.js';
import type { RawIo } from './testing/raw-host.js';
import type { CommandResult } from './testing/raw-queue.js';

function dsm(io: RawIo, nsid: number, ranges: { slba: number; nlb: number }[], deallocate = true): Promise<CommandResult> {
  return io.queue.command(dsmCommand({ cid: io.queue.cid, nsid, ranges: ranges.length, deallocate }), { payload: encodeDsmRanges(ranges) });
}

describe('Read and Write', () => {
  it('in-capsule write, read back, each on its own namespace', async () => {
    const { host, backends } = await fixture();
    const io = await (await host()).io();
    const data = pattern(4096);
    expect((await io.write(1, 8, data)).status).toBe(0);
    const read = await io.read(1, 8, 8);
    expect(read.data).toEqual(data);
    expect(read.cqe).toMatchObject({ status: 0 });
    expect(backends[1]!.peek(8, 8)).toEqual(data);
    expect(backends[2]!.peek(8, 8)).toEqual(Buffer.alloc(4096));
  });

  it('a large read comes in C2HData PDUs of the configured size, LAST on the last', async () => {
    const { host, backends } = await fixture({ c2hDataBytes: 16 * 1024 });
    const data = pattern(40 * 1024, 3);
    await backends[1]!.write(0, data);
    const io = await (await host()).io();
    const read = await io.read(1, 0, 80);
    expect(read.data).toEqual(data);
    expect(read.c2h.map(({ offset, data: part, last, success }) => [offset, part.length, last, success])).toEqual([
      [0, 16384, false, false], [16384, 16384, false, false], [32768, 8192, true, false],
    ]);
  });

  it('without SQ flow control SUCCESS on the last C2HData stands for the completion', async () => {
    const { host, backends } = await fixture({ c2hDataBytes: 1024 });
    await backends[1]!.write(0, pattern(2048));
    const io = await (await host()).io(1, { cattr: 4 });
    const read = await io.read(1, 0, 4);
    expect(read.data).toEqual(pattern(2048));
    expect(read.cqe).toBeUndefined();
    expect(read.c2h.map(({ last, success }) => [last, success])).toEqual([[false, false], [true, true]]);
    // A failure still needs its completion queue entry.
    expect((await io.read(1, 5000, 1)).cqe?.status).toBe(Status.lbaOutOfRange);
  });

  it('many commands at once are answered, each with its own data', async () => {
    const { host } = await fixture();
    const io = await (await host()).io(1, { sqSize: 64 });
    const writes = Array.from({ length: 32 }, (_, i) => io.write(1, i, pattern(512, i + 1)));
    expect((await Promise.all(writes)).every((result) => result.status === 0)).toBe(true);
    const reads = await Promise.all(Array.from({ length: 32 }, (_, i) => io.read(1, i, 1)));
    reads.forEach((read, i) => expect(read.data).toEqual(pattern(512, i + 1)));
  });

  it('range, size and descriptor errors carry DNR and do not reach the backend', async () => {
    const { host, backends } = await fixture({ mdts: 1 });
    const io = await (await host()).io();
    const cid = (): number => io.queue.cid;
    const results = await Promise.all([
      io.read(1, 1020, 5),
      io.write(1, 1024, pattern(512)),
      io.queue.command(rwCommand({ opcode: IoOpcode.read, cid: cid(), nsid: 1, slba: 2 ** 52, nlb: 1, transportBytes: 512 })),
      io.read(1, 0, 17),
      io.queue.command(rwCommand({ opcode: IoOpcode.read, cid: cid(), nsid: 1, slba: 0, nlb: 2, transportBytes: 512 })),
      io.queue.command(rwCommand({ opcode: IoOpcode.read, cid: cid(), nsid: 1, slba: 0, nlb: 1 })),
      io.queue.command(rwCommand({ opcode: IoOpcode.write, cid: cid(), nsid: 1, slba: 0, nlb: 2, inCapsuleBytes: 512 }), { payload: pattern(512) }),
      io.queue.command(rwCommand({ opcode: IoOpcode.write, cid: cid(), nsid: 1, slba: 0, nlb: 1, inCapsuleBytes: 512 }), { payload: pattern(1024) }),
      io.queue.command(encodeSqe({ opcode: IoOpcode.write, cid: cid(), nsid: 1, sgl: { kind: 'in-capsule', length: 512, offset: 512 } }), { payload: pattern(512) }),
      io.queue.command(rwCommand({ opcode: IoOpcode.write, cid: cid(), nsid: 1, slba: 0, nlb: 1, transportBytes: 512 }), { payload: pattern(512) }),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      Status.lbaOutOfRange, Status.lbaOutOfRange, Status.lbaOutOfRange, Status.invalidField, Status.dataSglLengthInvalid,
      Status.sglTypeInvalid, Status.dataSglLengthInvalid, Status.dataSglLengthInvalid, Status.sglOffsetInvalid, Status.sglTypeInvalid,
    ]);
    expect(results.every(({ dnr }) => dnr)).toBe(true);
    expect(backends[1]!.calls).toEqual([]);
  });

  it('in-capsule data over IOCCSZ is refused on an I/O queue', async () => {
    const { host } = await fixture({ inCapsuleBytes: 1024 });
    const io = await (await host()).io();
    expect((await io.write(1, 0, pattern(2048))).status).toBe(Status.dataSglLengthInvalid);
    expect((await io.write(1, 0, pattern(1024))).status).toBe(0);
  });
});

describe('other commands', () => {
  it('Flush, Write Zeroes, Compare', async () => {
    const { host, backends } = await fixture();
    const io = await (await host()).io();
    await io.write(1, 0, pattern(1024));
    expect((await io.compare(1, 0, pattern(1024))).status).toBe(0);
    expect(await io.compare(1, 0, pattern(1024, 2))).toMatchObject({ status: Status.compareFailure, dnr: true });
    expect((await io.flush(1)).status).toBe(0);
    // MDTS limits transfers; this one moves no data.
    expect((await io.writeZeroes(1, 0, 1024)).status).toBe(0);
    expect(backends[1]!.peek(0, 2)).toEqual(Buffer.alloc(1024));
    expect((await io.writeZeroes(1, 1, 1024)).status).toBe(Status.lbaOutOfRange);
    expect(backends[1]!.calls).toEqual(['write 0+2', 'read 0+2', 'read 0+2', 'flush', 'writeZeroes 0+1024']);
  });

  it('Dataset Management deallocates its ranges, all or none', async () => {
    const { host, backends } = await fixture();
    const io = await (await host()).io();
    expect((await dsm(io, 1, [{ slba: 0, nlb: 4 }, { slba: 9, nlb: 0 }, { slba: 100, nlb: 1 }])).status).toBe(0);
    expect(await dsm(io, 1, [{ slba: 0, nlb: 4 }, { slba: 1023, nlb: 2 }])).toMatchObject({ status: Status.lbaOutOfRange, dnr: true });
    expect((await dsm(io, 1, [{ slba: 0, nlb: 4 }], false)).status).toBe(0);
    expect(backends[1]!.calls).toEqual(['deallocate 0+4', 'deallocate 100+1']);
  });

  it('unknown namespaces and opcodes carry DNR', async () => {
    const { host } = await fixture();
    const io = await (await host()).io();
    for (const nsid of [0, 7, 0xffffffff]) expect(await io.flush(nsid)).toMatchObject({ status: Status.invalidNamespace, dnr: true });
    expect(await io.queue.command(encodeSqe({ opcode: 0x7d, cid: io.queue.cid, nsid: 1 }))).toMatchObject({ status: Status.invalidOpcode, dnr: true });
  });
});

describe('backend errors', () => {
  it.each<[BackendErrorKind, number, number, boolean]>([
    ['fenced', Status.anaInternal, Status.anaInternal, false],
    ['unreachable', Status.anaInternal, Status.anaInternal, false],
    ['io', Status.unrecoveredReadError, Status.writeFault, false],
    ['range', Status.lbaOutOfRange, Status.lbaOutOfRange, true],
    ['no-space', Status.capacityExceeded, Status.capacityExceeded, true],
  ])('%s', async (kind, readStatus, writeStatus, dnr) => {
    const { host, backends } = await fixture();
    const io = await (await host()).io();
    backends[1]!.failWith = kind;
    expect(await io.read(1, 0, 1)).toMatchObject({ status: readStatus, dnr, data: Buffer.alloc(0) });
    for (const result of [await io.write(1, 0, pattern(512)), await io.flush(1), await io.writeZeroes(1, 0, 1), await dsm(io, 1, [{ slba: 0, nlb: 1 }])]) {
      expect(result).toMatchObject({ status: writeStatus, dnr });
    }
  });

  it('anything else is an internal error, retryable, and reported', async () => {
    const { host, backends, events } = await fixture();
    const io = await (await host()).io();
    backends[1]!.read = () => { throw new TypeError('boom'); };
    backends[1]!.flush = () => Promise.reject(new TypeError('bang'));
    expect(await io.read(1, 0, 1)).toMatchObject({ status: Status.internalError, dnr: false });
    expect(await io.flush(1)).toMatchObject({ status: Status.internalError, dnr: false });
    backends[1]!.read = () => Promise.resolve(Buffer.alloc(1));
    expect(await io.read(1, 0, 1)).toMatchObject({ status: Status.internalError, dnr: false });
    expect(events.filter((event) => event.type === 'internal-error')).toHaveLength(3);
  });
});

describe('hooks', () => {
  it('see each command at its place and can fail it', async () => {
    const seen: string[] = [];
    const { host, backends } = await fixture({
      hooks: {
        beforeReadFromBackend: async ({ slba, nlb }) => { seen.push(`read ${slba}+${nlb}`); },
        beforeWriteToBackend: async ({ slba, nlb, nsid, qid }) => { seen.push(`write ns${nsid} q${qid} ${slba}+${nlb} backend calls ${backends[1]!.calls.length}`); },
        beforeWriteAck: async ({ slba }) => {
          seen.push(`ack ${slba} backend calls ${backends[1]!.calls.length}`);
          if (slba === 9) throw new Error('test');
        },
      },
    });
    const io = await (await host()).io();
    await io.write(1, 4, pattern(512));
    await io.read(1, 4, 1);
    expect((await io.write(1, 9, pattern(512))).status).toBe(Status.internalError);
    expect(seen).toEqual(['write ns1 q1 4+1 backend calls 0', 'ack 4 backend calls 1', 'read 4+1', 'write ns1 q1 9+1 backend calls 2', 'ack 9 backend calls 3']);
  });
});
