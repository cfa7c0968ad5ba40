import { describe, expect, it } from 'vitest';
import { encodePdu, encodeSqe, Fes, IoOpcode, rwCommand, Status } from '../../nvme/index.js';
import type { H2cDataPdu, R2tPdu } from '../../nvme/index.js';
import { fixture, nqn, pattern } from './testing/fixture.js';
import type { Fixture } from './testing/fixture.js';
import type { RawIo } from './testing/raw-host.js';
import { sendConnect } from './testing/raw-host.js';
import { RawQueue } from './testing/raw-queue.js';

describe('IC exchange', () => {
  it('agrees to the digests that the host asks for, unless they are not allowed', async () => {
    const { address } = await fixture({ maxH2cDataBytes: 8192 });
    const both = await RawQueue.open(address);
    expect(await both.initialize({ headerDigest: true, dataDigest: true })).toMatchObject({ pfv: 0, cpda: 0, headerDigest: true, dataDigest: true, maxH2cData: 8192 });
    const without = await fixture({ allowDataDigest: false });
    const one = await RawQueue.open(without.address);
    expect(await one.initialize({ headerDigest: true, dataDigest: true })).toMatchObject({ headerDigest: true, dataDigest: false });
  });

  it('pads C2HData to the host\'s alignment', async () => {
    const { host, backends } = await fixture();
    await backends[1]!.write(0, pattern(512));
    // The raw host's reader checks PDO only against 4; the data itself shows that the padding is where PDO says.
    const io = await (await host({ ic: { hpda: 15 } })).io();
    expect((await io.read(1, 0, 1)).data).toEqual(pattern(512));
  });
});

describe('digests', () => {
  it.each([[true, false], [false, true], [true, true]])('header %s data %s: reads, in-capsule and R2T writes', async (headerDigest, dataDigest) => {
    const { host } = await fixture({ r2tBytes: 4096 });
    const raw = await host({ ic: { headerDigest, dataDigest } });
    const io = await raw.io();
    expect((await io.write(1, 0, pattern(4096))).status).toBe(0);
    expect((await io.writeByR2t(1, 8, pattern(12288, 2))).status).toBe(0);
    expect((await io.read(1, 0, 32)).data).toEqual(Buffer.concat([pattern(4096), pattern(12288, 2)]));
    expect((await raw.ana()).groups).toHaveLength(2);
  });

  it('a wrong data digest fails that command only, retryable, and nothing is written', async () => {
    const { host, backends } = await fixture();
    const io = await (await host({ ic: { headerDigest: true, dataDigest: true } })).io();
    const cid = io.queue.cid;
    const sqe = rwCommand({ opcode: IoOpcode.write, cid, nsid: 1, slba: 0, nlb: 1, inCapsuleBytes: 512 });
    const buffers = encodePdu({ type: 'CapsuleCmd', sqe, data: pattern(512) }, io.queue.digests);
    buffers[2] = Buffer.from(buffers[2]!.map((byte) => byte ^ 1));
    io.queue.write(...buffers);
    expect((await io.queue.next('CapsuleResp')).cqe).toMatchObject({ cid, status: Status.transientTransportError, dnr: false });

    io.queue.onR2t = (r2t, payload) => {
      const pdu: H2cDataPdu = { type: 'H2CData', cid: r2t.cid, ttag: r2t.ttag, offset: r2t.offset, data: payload, last: true };
      const [header, data, digest] = encodePdu(pdu, io.queue.digests);
      io.queue.write(header!, data!, Buffer.from(digest!.map((byte) => byte ^ 1)));
    };
    expect(await io.writeByR2t(1, 0, pattern(512))).toMatchObject({ status: Status.transientTransportError, dnr: false });
    io.queue.onR2t = undefined;
    expect(backends[1]!.calls).toEqual([]);
    expect((await io.writeByR2t(1, 0, pattern(512))).status).toBe(0);
  });

  it('a wrong header digest ends the connection', async () => {
    const { host } = await fixture();
    const io = await (await host({ ic: { headerDigest: true } })).io();
    const [header] = encodePdu({ type: 'CapsuleCmd', sqe: encodeSqe({ opcode: 0, cid: 1, nsid: 1 }), data: Buffer.alloc(0) }, io.queue.digests);
    header![20]! ^= 0xff;
    io.queue.write(header!);
    expect((await io.queue.termReq()).fes).toBe(Fes.headerDigestError);
    await io.queue.closed;
  });
});

describe('R2T', () => {
  async function withR2ts(o: { r2tBytes: number; r2tOutstandingMax: number; maxR2t: number }): Promise<{ f: Fixture; io: RawIo }> {
    const f = await fixture(o);
    return { f, io: await (await f.host({ ic: { maxR2t: o.maxR2t } })).io() };
  }

  it('asks in steps, with as many outstanding as both sides allow', async () => {
    const { f, io } = await withR2ts({ r2tBytes: 4096, r2tOutstandingMax: 3, maxR2t: 2 });
    const outstanding: R2tPdu[] = [];
    let most = 0;
    const data = pattern(32768);
    io.queue.onR2t = (r2t, payload) => {
      outstanding.push(r2t);
      most = Math.max(most, outstanding.length);
      // Answer the newer one first: windows are independent of each other.
      if (outstanding.length === 2 || r2t.offset + r2t.length === payload.length) {
        for (const each of outstanding.splice(0).reverse()) io.queue.answerR2t(each, payload, 1024);
      }
    };
    const write = await io.writeByR2t(1, 0, data);
    expect(write.status).toBe(0);
    expect(most).toBe(2);
    expect(write.r2ts.map(({ offset, length }) => [offset, length])).toEqual(Array.from({ length: 8 }, (_, i) => [i * 4096, 4096]));
    expect(f.backends[1]!.peek(0, 64)).toEqual(data);
  });

  it('keeps to one outstanding if the host wants that; several commands at once do not mix', async () => {
    const { f, io } = await withR2ts({ r2tBytes: 4096, r2tOutstandingMax: 8, maxR2t: 1 });
    const writes = [0, 1, 2, 3].map((i) => io.writeByR2t(1, i * 24, pattern(12288, i + 1)));
    const results = await Promise.all(writes);
    results.forEach((result, i) => {
      expect(result.status).toBe(0);
      expect(result.r2ts).toHaveLength(3);
      expect(f.backends[1]!.peek(i * 24, 24)).toEqual(pattern(12288, i + 1));
    });
  });

  it.each<[string, Partial<H2cDataPdu>, number, number]>([
    ['an unknown ttag', { ttag: 4711 }, Fes.invalidPduHeaderField, 10],
    ['another command\'s cid', { cid: 4711 }, Fes.invalidPduHeaderField, 8],
    ['a hole', { offset: 512 }, Fes.dataTransferOutOfRange, 12],
    ['more than was asked for', { data: pattern(8192) }, Fes.dataTransferOutOfRange, 16],
    ['LAST too early', { data: pattern(512), last: true }, Fes.invalidPduHeaderField, 1],
    ['no LAST', { last: false }, Fes.invalidPduHeaderField, 1],
  ])('%s is fatal', async (_what, wrong, fes, fei) => {
    const { f, io } = await withR2ts({ r2tBytes: 4096, r2tOutstandingMax: 1, maxR2t: 1 });
    io.queue.onR2t = (r2t, payload) => io.queue.send({ type: 'H2CData', cid: r2t.cid, ttag: r2t.ttag, offset: 0, data: payload, last: true, ...wrong });
    const write = io.writeByR2t(1, 0, pattern(4096));
    expect(await io.queue.termReq()).toMatchObject({ fes, fei });
    await expect(write).rejects.toThrow('connection closed');
    expect(f.backends[1]!.calls).toEqual([]);
  });

  it('H2CData over MAXH2CDATA is fatal', async () => {
    const f = await fixture({ maxH2cDataBytes: 4096 });
    const io = await (await f.host()).io();
    io.queue.onR2t = (r2t, payload) => io.queue.answerR2t(r2t, payload, 8192);
    void io.writeByR2t(1, 0, pattern(8192));
    expect((await io.queue.termReq()).fes).toBe(Fes.limitExceeded);
  });
});

describe('broken peers', () => {
  it.each<[string, (queue: RawQueue) => void, number]>([
    ['garbage', (queue) => queue.write(Buffer.alloc(256, 0xa5)), Fes.invalidPduHeaderField],
    ['a capsule before ICReq', (queue) => queue.send({ type: 'CapsuleCmd', sqe: encodeSqe({ opcode: 0, cid: 1 }), data: Buffer.alloc(0) }), Fes.pduSequenceError],
    ['a wrong PFV', (queue) => queue.send({ type: 'ICReq', pfv: 3, hpda: 0, headerDigest: false, dataDigest: false, maxR2t: 1 }), Fes.unsupportedParameter],
    ['a PDU that only controllers send', (queue) => queue.write(...encodePdu({ type: 'R2T', cid: 1, ttag: 1, offset: 0, length: 4 }, { header: false, data: false })), Fes.invalidPduHeaderField],
  ])('%s: TermReq, and only that connection ends', async (_what, misbehave, fes) => {
    const { address, host, events } = await fixture();
    const good = await host();
    const queue = await RawQueue.open(address);
    misbehave(queue);
    expect((await queue.termReq()).fes).toBe(fes);
    await queue.closed;
    expect((await good.keepAlive()).status).toBe(0);
    expect(events.filter((event) => event.type === 'protocol-error')).toHaveLength(1);
  });

  it('a broken I/O queue leaves its controller and the other queues alone', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    const [bad, good] = [await raw.io(1), await raw.io(2)];
    bad.queue.write(Buffer.alloc(128, 0xff));
    await bad.queue.termReq();
    await bad.queue.closed;
    expect((await good.read(1, 0, 1)).status).toBe(0);
    expect((await raw.keepAlive()).status).toBe(0);
    await expect.poll(() => target.connections().map(({ qid }) => qid), { timeout: 10_000 }).toEqual([0, 2]);
    await raw.io(1);
  });

  it('more commands than the queue has entries are fatal', async () => {
    const { host, backends } = await fixture();
    let open: () => void = () => undefined;
    backends[1]!.gate = new Promise<void>((resolve) => { open = resolve; });
    const io = await (await host()).io(1, { sqSize: 4 });
    for (let i = 0; i < 5; i++) void io.read(1, 0, 1);
    expect((await io.queue.termReq()).fes).toBe(Fes.pduSequenceError);
    open();
  });

  it('commands that came in one segment with garbage behind them are executed first', async () => {
    const { host, backends } = await fixture();
    const io = await (await host()).io();
    const sqe = rwCommand({ opcode: IoOpcode.write, cid: 50, nsid: 1, slba: 0, nlb: 1, inCapsuleBytes: 512 });
    io.queue.write(...encodePdu({ type: 'CapsuleCmd', sqe, data: pattern(512) }, io.queue.digests), Buffer.alloc(64, 0xee));
    await io.queue.termReq();
    expect(backends[1]!.calls).toEqual(['write 0+1']);
  });

  it('a TermReq of the host, or silence instead of Connect, ends the connection', async () => {
    const { address } = await fixture({ connectTimeoutMs: 700 });
    const one = await RawQueue.connect(address);
    one.send({ type: 'H2CTermReq', fes: 1, fei: 0, header: Buffer.alloc(0) });
    expect(await one.closed).toBe('reset');
    const two = await RawQueue.connect(address);
    expect(await two.closed).toBe('reset');
    const three = await RawQueue.connect(address);
    await sendConnect(three, { subNqn: nqn, qid: 0, cntlid: 0xffff });
    expect(await Promise.race([three.closed, new Promise((resolve) => setTimeout(resolve, 1_100, 'still there'))])).toBe('still there');
  });

  it('a peer that does not read its TermReq is cut off', async () => {
    const { address, target } = await fixture({ termReqLingerMs: 20 });
    const queue = await RawQueue.open(address);
    queue.write(Buffer.alloc(64, 0xa5));
    await expect.poll(() => target.connections(), { timeout: 10_000 }).toEqual([]);
  });
});
