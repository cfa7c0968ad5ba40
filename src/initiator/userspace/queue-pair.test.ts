import { describe, expect, it } from 'vitest';
import { encodePdu, IoOpcode, makeCqe, Status } from '../../nvme/index.js';
import type { Pdu } from '../../nvme/index.js';
import { fakeNamespace } from './testing/fake-subsystem.js';
import { block, cleanUpAfterEach, connected, eventually, gate, until } from './testing/fixture.js';
import type { Bench } from './testing/fixture.js';
import type { FakeAction, FakeConnection, FakeTargetOptions } from './testing/fake-target.js';
import type { HostOptions } from './options.js';

cleanUpAfterEach();

const one = async (target: Partial<FakeTargetOptions> = {}, host: Partial<HostOptions> = {}): Promise<Bench> => connected([target], host);
const ioConnection = (bench: Bench, i = 0): FakeConnection => [...bench.targets[i]!.connections].find((connection) => connection.qid === 1)!;

/** Applies to the first I/O command with this opcode only. */
function onceFor(opcode: number, action: FakeAction): Bench['targets'][number]['script'] {
  let done = false;
  return ({ kind, sqe }) => {
    if (done || kind !== 'io' || sqe.opcode !== opcode) return undefined;
    done = true;
    return action;
  };
}

function pattern(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
}

describe('writes', () => {
  it('go in the capsule up to IOCCSZ, and by R2T above it', async () => {
    const bench = await one({ inCapsuleBytes: 1_024 });
    const [head] = bench.host.heads();
    await head!.write(0, pattern(1_024));
    expect(bench.host.counters().r2ts).toBe(0);
    await head!.write(0, pattern(1_536));
    expect(bench.host.counters().r2ts).toBe(1);
    expect(bench.namespaces[0]!.data.subarray(0, 1_536).equals(pattern(1_536))).toBe(true);
  });

  it('serve several outstanding R2Ts, each split by MAXH2CDATA, LAST at the end of each R2T', async () => {
    const bench = await one({ inCapsuleBytes: 0, r2tBytes: 10_240, r2tsAtOnce: 4, maxH2cData: 4_096 }, { maxR2t: 4 });
    const data = pattern(40_960);
    expect(await bench.host.heads()[0]!.write(3, data)).toMatchObject({ outcome: 'ok' });
    const connection = ioConnection(bench);
    expect(connection.r2tsPeak).toBe(4);
    expect(connection.h2c.map(({ offset, length, last }) => [offset, length, last])).toEqual(
      [0, 10_240, 20_480, 30_720].flatMap((at) => [[at, 4_096, false], [at + 4_096, 4_096, false], [at + 8_192, 2_048, true]]),
    );
    expect(new Set(connection.h2c.map(({ ttag }) => ttag)).size).toBe(4);
    expect(bench.namespaces[0]!.data.subarray(3 * 512, 3 * 512 + data.length).equals(data)).toBe(true);
  });

  it('honour the data alignment that the controller asks for (CPDA)', async () => {
    // The fake target's reader refuses payload that does not start at a multiple of 16.
    const bench = await one({ cpda: 3, inCapsuleBytes: 1_024 }, { headerDigest: true, dataDigest: true });
    const [head] = bench.host.heads();
    for (const bytes of [1_024, 4_096]) {
      expect(await head!.write(0, pattern(bytes))).toMatchObject({ outcome: 'ok', sends: 1 });
      expect(bench.namespaces[0]!.data.subarray(0, bytes).equals(pattern(bytes))).toBe(true);
    }
  });

  it('are not acknowledged when the controller claims success without having fetched the data', async () => {
    const bench = await one({ inCapsuleBytes: 0 });
    bench.targets[0]!.script = onceFor(IoOpcode.write, { raw: (connection, cid) => connection.respond({ cid }) });
    expect(await bench.host.heads()[0]!.write(0, block(9))).toMatchObject({ outcome: 'ok', sends: 2 });
    expect(bench.host.counters()).toMatchObject({ protocolErrors: 1, resets: 1, reconnects: 1 });
    expect(bench.namespaces[0]!.data[0]).toBe(9);
  });

  it.each([
    ['beyond the data', 2, { offset: 0, length: 4_096 }],
    ['that leave a hole', 1, { offset: 512, length: 512 }],
  ])('end the connection on R2Ts %s', async (_name, _count, r2t) => {
    const bench = await one({ inCapsuleBytes: 0 });
    let connection: FakeConnection | undefined;
    bench.targets[0]!.script = onceFor(IoOpcode.write, {
      raw: (at, cid) => {
        connection = at;
        at.send({ type: 'R2T', cid, ttag: 1, ...r2t });
      },
    });
    expect(await bench.host.heads()[0]!.write(0, block(9, 1_024))).toMatchObject({ outcome: 'ok', sends: 2 });
    await until(() => connection!.terminated !== undefined);
    expect(connection!.terminated!.fes).toBe(4);
  });

  it('end the connection when more R2Ts are outstanding than MAXR2T allows', async () => {
    const bench = await one({ inCapsuleBytes: 0 }, { maxR2t: 2 });
    const hold = bench.host.holdBeforeH2cData(() => true);
    let connection: FakeConnection | undefined;
    bench.targets[0]!.script = onceFor(IoOpcode.write, {
      raw: (at, cid) => {
        connection = at;
        for (const offset of [0, 512, 1_024]) at.send({ type: 'R2T', cid, ttag: offset, offset, length: 512 });
      },
    });
    const write = bench.host.heads()[0]!.write(0, block(1, 2_048));
    await until(() => connection?.terminated !== undefined);
    expect(connection!.terminated!.fes).toBe(5);
    expect(hold.release()).toMatchObject({ sent: 0, dropped: 2 });
    expect(await write).toMatchObject({ outcome: 'ok' });
  });
});

describe('a write buffer', () => {
  it('is the caller\'s again only when the socket has let go of it, even if the controller answered earlier', async () => {
    const bench = await connected([{ inCapsuleBytes: 0, identify: { mdts: 11 } }], {}, [fakeNamespace(1, { blocks: 16_384 })]);
    let stuck: FakeConnection | undefined;
    bench.targets[0]!.script = onceFor(IoOpcode.write, {
      raw: (connection, cid) => {
        stuck = connection;
        connection.send({ type: 'R2T', cid, ttag: 1, offset: 0, length: 8_388_608 });
        // Answers without having read the data, which fills the buffers of the connection and then waits in the host.
        connection.socket.pause();
        connection.respond({ cid, status: Status.writeFault, dnr: true });
      },
    });
    let settled = false;
    const write = bench.host.heads()[0]!.write(0, Buffer.alloc(8_388_608)).finally(() => {
      settled = true;
    });
    await until(() => bench.host.counters().pinnedCompletions === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(settled).toBe(false);
    stuck!.discard = true;
    stuck!.socket.resume();
    expect(await write).toMatchObject({ outcome: 'fail', status: Status.writeFault, sends: 1 });
  });
});

describe('reads', () => {
  it.each([
    ['one PDU and a CapsuleResp', {}],
    ['one PDU with SUCCESS', { successFlag: true }],
    ['several PDUs, SUCCESS on the last', { successFlag: true, c2hBytes: 1_536 }],
    ['several PDUs and a CapsuleResp', { c2hBytes: 1_536 }],
  ])('arrive by %s', async (_name, target) => {
    const bench = await one(target);
    pattern(8_192).copy(bench.namespaces[0]!.data, 512);
    const result = await bench.host.heads()[0]!.read(1, 16);
    expect(result).toMatchObject({ outcome: 'ok', sends: 1 });
    expect(result.data!.equals(pattern(8_192))).toBe(true);
  });

  it.each([
    ['success with a part of the data missing', (at: FakeConnection, cid: number): void => {
      at.send({ type: 'C2HData', cid, offset: 0, data: block(1), last: true, success: false });
      at.respond({ cid });
    }],
    ['data with a hole', (at: FakeConnection, cid: number): void => {
      at.send({ type: 'C2HData', cid, offset: 512, data: block(1), last: true, success: true });
    }],
    ['more data than asked for', (at: FakeConnection, cid: number): void => {
      at.send({ type: 'C2HData', cid, offset: 0, data: block(1, 2_048), last: true, success: true });
    }],
    ['an answer for a cid that cannot exist', (at: FakeConnection): void => at.respond({ cid: 0x0fff })],
    ['a PDU that controllers never send now', (at: FakeConnection): void => {
      at.send({ type: 'ICResp', pfv: 0, cpda: 0, headerDigest: false, dataDigest: false, maxH2cData: 8_192 });
    }],
    ['a C2HTermReq', (at: FakeConnection): void => at.send({ type: 'C2HTermReq', fes: 1, fei: 8, header: Buffer.alloc(0) })],
  ])('take %s as the end of the connection and are sent again', async (name, raw) => {
    const bench = await one();
    bench.targets[0]!.script = onceFor(IoOpcode.read, { raw });
    expect(await bench.host.heads()[0]!.read(0, 2)).toMatchObject({ outcome: 'ok', sends: 2 });
    const counters = bench.host.counters();
    expect(counters.resets).toBe(1);
    expect(name.includes('TermReq') ? counters.termReqsReceived : counters.protocolErrors).toBe(1);
  });
});

describe('digests', () => {
  const digests = { headerDigest: true, dataDigest: true };

  it('are checked both ways, for capsules, H2CData and C2HData', async () => {
    const bench = await one({ inCapsuleBytes: 512, c2hBytes: 4_096 }, digests);
    const [head] = bench.host.heads();
    for (const bytes of [512, 12_288]) {
      await head!.write(1, pattern(bytes));
      expect((await head!.read(1, bytes / 512)).data!.equals(pattern(bytes))).toBe(true);
    }
  });

  it('a wrong header digest ends the connection; the command is replayed', async () => {
    const bench = await one({}, digests);
    let damaged = false;
    bench.targets[0]!.mangle = (pdu, buffers) => {
      if (damaged || pdu.type !== 'C2HData' || pdu.data.length !== 512) return buffers;
      damaged = true;
      const header = Buffer.from(buffers[0]!);
      header[24]! ^= 1;
      return [header, ...buffers.slice(1)];
    };
    expect(await bench.host.heads()[0]!.read(0, 1)).toMatchObject({ outcome: 'ok', sends: 2 });
    expect(bench.host.counters()).toMatchObject({ headerDigestErrors: 1, resets: 1, termReqsSent: 1 });
    expect(bench.events).toContainEqual(expect.objectContaining({ type: 'host.controller', state: 'resetting', cause: 'header-digest' }));
  });

  it('a wrong data digest fails the command only: it is retried on the same path', async () => {
    const bench = await one({ successFlag: true }, digests);
    let damaged = 0;
    bench.targets[0]!.mangle = (pdu, buffers) => {
      if (damaged > 1 || pdu.type !== 'C2HData' || pdu.data.length !== 512) return buffers;
      damaged += 1;
      const data = Buffer.from(buffers[1]!);
      data[0]! ^= 1;
      return [buffers[0]!, data, buffers[2]!];
    };
    bench.namespaces[0]!.data.fill(5, 0, 512);
    const result = await bench.host.heads()[0]!.read(0, 1);
    expect(result).toMatchObject({ outcome: 'ok', sends: 3 });
    expect(result.data!.equals(block(5))).toBe(true);
    expect(bench.host.counters()).toMatchObject({ dataDigestErrors: 2, localRetries: 2, resets: 0 });
  });
});

describe('late completions', () => {
  it('behind the PDU that ended the connection are ignored and counted', async () => {
    const bench = await one();
    const held: number[] = [];
    bench.targets[0]!.script = ({ kind, connection, sqe }) => {
      if (kind !== 'io' || held.length === 2) return undefined;
      held.push(sqe.cid);
      if (held.length === 2) {
        // One segment: a violation, then the answers to both commands.
        const pdus: Pdu[] = [{ type: 'R2T', cid: held[0]!, ttag: 0, offset: 0, length: 512 }];
        for (const cid of held) pdus.push({ type: 'CapsuleResp', cqe: makeCqe({ cid, status: Status.lbaOutOfRange, dnr: true }) });
        connection.socket.write(Buffer.concat(pdus.flatMap((pdu) => encodePdu(pdu, connection.digests))));
      }
      return 'drop';
    };
    const [head] = bench.host.heads();
    const results = await Promise.all([head!.flush(), head!.flush()]);
    expect(results).toMatchObject([{ outcome: 'ok', sends: 2 }, { outcome: 'ok', sends: 2 }]);
    expect(bench.host.counters().lateCompletions).toBe(2);
  });

  it('with the generation of an earlier use of the slot are ignored and counted', async () => {
    const bench = await one();
    const go = gate();
    const [head] = bench.host.heads();
    let first = -1;
    bench.targets[0]!.script = ({ kind, connection, sqe }) => {
      if (kind !== 'io') return undefined;
      if (first < 0) {
        first = sqe.cid;
        return undefined;
      }
      expect(sqe.cid & 0xfff).toBe(first & 0xfff);
      expect(sqe.cid).not.toBe(first);
      // A second answer to the first use, while the second use is in flight.
      connection.respond({ cid: first, status: Status.internalError, dnr: true });
      return { wait: go.promise };
    };
    expect(await head!.flush()).toMatchObject({ outcome: 'ok' });
    const second = head!.flush();
    await until(() => bench.host.counters().lateCompletions === 1);
    go.open();
    expect(await second).toMatchObject({ outcome: 'ok', sends: 1 });
  });
});

describe('a full queue', () => {
  it('lets commands wait, and sends them in order as slots come free', async () => {
    const bench = await one({}, { queueSize: 5 });
    const go = gate();
    bench.targets[0]!.script = ({ kind }) => (kind === 'io' ? { wait: go.promise } : undefined);
    const [head] = bench.host.heads();
    const ios = Array.from({ length: 12 }, (_, i) => head!.write(i, block(i)));
    await until(() => bench.targets[0]!.ios(IoOpcode.write).length === 4);
    expect(bench.host.controllers()[0]!.session!.inflight).toBe(12);
    go.open();
    expect((await Promise.all(ios)).every((io) => io.outcome === 'ok')).toBe(true);
    expect(bench.targets[0]!.ios(IoOpcode.write).map(({ sqe }) => sqe.cdw10)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });
});

describe('the IC exchange', () => {
  it('ends when the controller does not answer it in time', async () => {
    const bench = await one({}, { connectTimeoutMs: 200 });
    bench.targets[0]!.mangle = (pdu, buffers) => (pdu.type === 'ICResp' ? [] : buffers);
    bench.host.controllers()[0]!.reset();
    await until(() => bench.host.counters().connectFailures! > 0);
    expect(bench.host.controllers()[0]!.lastError).toContain('no ICResp');
    bench.targets[0]!.mangle = undefined;
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
  });

  it.each([
    ['digests that were not asked for', { headerDigest: true }],
    ['a MAXH2CDATA below 4 KiB', { maxH2cData: 2_048 }],
    ['a MAXH2CDATA of no whole dwords', { maxH2cData: 8_193 }],
    ['an unknown format version', { pfv: 1 }],
  ])('refuses %s', async (_name, change) => {
    const bench = await one();
    const [target] = bench.targets;
    target!.mangle = (pdu, buffers) => (pdu.type === 'ICResp' ? encodePdu({ ...pdu, ...change }, { header: false, data: false }) : buffers);
    bench.host.controllers()[0]!.reset();
    await until(() => bench.host.counters().connectFailures! > 0);
    expect(bench.host.controllers()[0]!.lastError).toContain('ICResp');
    target!.mangle = undefined;
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
  });
});
