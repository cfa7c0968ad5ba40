import { describe, expect, it } from 'vitest';
import { IoOpcode, Status } from '../../nvme/index.js';
import { sleep } from '../../util/clock.js';
import type { ActivateRequest } from './activation.js';
import { keptLingerMs } from './data-hold.js';
import { block, cleanUpAfterEach, connected, until } from './testing/fixture.js';

cleanUpAfterEach();

describe('holdBeforeH2cData', () => {
  it('keeps the data of an old write away while newer data is written elsewhere: the ABA problem, on demand', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1' });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(({ opcode, slba }) => opcode === IoOpcode.write && slba === 4);
    const old = head!.write(4, block(0xaa));
    await hold.whenHeld();
    expect(hold.held).toMatchObject([{ controller: 'nvme0', qid: 1, slba: 4, nlb: 1, nsid: 1, offset: 0, length: 512 }]);
    // Not matched: passes the hold on the same queue.
    expect(await head!.write(9, block(1))).toMatchObject({ outcome: 'ok', path: 'gw1:nvme0:q1' });
    bench.targets[0]!.setAna(1, 'inaccessible');
    await until(() => head!.currentPath?.gateway === 'gw2');
    bench.targets[0]!.ana.set(1, 'optimized');
    expect(await head!.write(4, block(0xbb))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    // A target that does not look again takes the old data now: this is the damage that pathproof must be able to cause.
    expect(hold.release()).toEqual({ sent: 1, dropped: 0 });
    expect(await old).toMatchObject({ outcome: 'ok', path: 'gw1:nvme0:q1', sends: 1 });
    expect(bench.namespaces[0]!.data[4 * 512]).toBe(0xaa);
    expect(bench.host.counters().r2tsHeld).toBe(1);
  });

  it('a target that looks again refuses the old data; the write then goes to the other path', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1' });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(() => true);
    const old = head!.write(4, block(0xaa));
    await hold.whenHeld();
    bench.targets[0]!.setAna(1, 'inaccessible');
    await until(() => head!.currentPath?.gateway === 'gw2');
    hold.release();
    expect(await old).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 2 });
    expect(bench.host.counters()).toMatchObject({ pathErrors: 1 });
  });

  it('drops what it holds when the connection ends: the old controller never gets it', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1' });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(({ controller }) => controller === 'nvme0');
    const write = head!.write(4, block(0xaa));
    await hold.whenHeld();
    bench.targets[0]!.resetConnections();
    expect(await write).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 2 });
    expect(hold.release()).toEqual({ sent: 0, dropped: 1 });
  });
});

describe('holdBeforeH2cData with keepAssociation', () => {
  it('lets the data of a write reach a controller that the host has given up, after newer data was acknowledged elsewhere', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1', autoFailback: false, ioTimeoutMs: 150 });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(({ opcode, slba }) => opcode === IoOpcode.write && slba === 4, { keepAssociation: true });
    const old = head!.write(4, block(0xaa));
    await hold.whenHeld();
    // The command times out, the host gives the controller up and sends it again on the other path.
    expect(await old).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 2 });
    expect(bench.host.counters()).toMatchObject({ ioTimeouts: 1, associationsKept: 1, resets: 1 });
    await until(() => bench.host.controllers()[0]!.state === 'live');
    expect(await head!.write(4, block(0xbb))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 1 });
    expect(bench.namespaces[0]!.data[4 * 512]).toBe(0xbb);
    expect(hold.release()).toEqual({ sent: 1, dropped: 0 });
    await until(() => bench.namespaces[0]!.data[4 * 512] === 0xaa);
    // The answer to it is nobody's any more.
    await until(() => bench.host.counters()['lateCompletions'] === 1);
    expect(await head!.write(9, block(1))).toMatchObject({ outcome: 'ok' });
  });

  it('sends late only what it is told to of the writes that were sent again, and all that still wait', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1', autoFailback: false, ioTimeoutMs: 150 });
    const [head] = bench.host.heads();
    const again = bench.host.holdBeforeH2cData(({ slba }) => slba === 4, { keepAssociation: true });
    expect(await head!.write(4, block(0xaa))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 2 });
    expect(await head!.write(4, block(0xbb))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    expect(again.release(({ slba }) => slba !== 4)).toEqual({ sent: 0, dropped: 1 });
    await sleep(keptLingerMs + 200);
    expect(bench.namespaces[0]!.data[4 * 512]).toBe(0xbb);
    expect(bench.host.counters()['lateCompletions']).toBe(0);

    const other = await connected([{ inCapsuleBytes: 0 }], {});
    const hold = other.host.holdBeforeH2cData(() => true, { keepAssociation: true });
    const waits = other.host.heads()[0]!.write(4, block(0xcc));
    await hold.whenHeld();
    expect(hold.release(() => false)).toEqual({ sent: 1, dropped: 0 });
    expect(await waits).toMatchObject({ outcome: 'ok', sends: 1 });
  });

  it('keeps nothing of an association that the controller has ended', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1' });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(() => true, { keepAssociation: true });
    const write = head!.write(4, block(0xaa));
    await hold.whenHeld();
    bench.targets[0]!.resetConnections();
    expect(await write).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1', sends: 2 });
    expect(bench.host.counters()['associationsKept']).toBe(0);
    expect(hold.release()).toEqual({ sent: 0, dropped: 1 });
  });

  it('closes what it kept when the host closes, and sends nothing', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }, {}], { preferred: 'gw1', ioTimeoutMs: 150 });
    const [head] = bench.host.heads();
    const hold = bench.host.holdBeforeH2cData(({ controller }) => controller === 'nvme0', { keepAssociation: true });
    await head!.write(4, block(0xaa));
    expect(hold.held).toHaveLength(1);
    expect(await head!.write(4, block(0xbb))).toMatchObject({ outcome: 'ok' });
    await bench.host.close();
    expect(hold.release()).toEqual({ sent: 0, dropped: 0 });
    expect(bench.namespaces[0]!.data[4 * 512]).toBe(0xbb);
  });
});

describe('the activate hook', () => {
  it('is asked when no path is usable, and the way to optimized is measured', async () => {
    const asked: ActivateRequest[] = [];
    const bench = await connected([{ ana: { 1: 'inaccessible' } }], {
      activateHook: async (request) => {
        asked.push(request);
        bench.targets[0]!.setAna(request.anaGroup, 'optimized');
      },
    });
    const [head] = bench.host.heads();
    expect(await head!.write(0, block(1))).toMatchObject({ outcome: 'ok' });
    expect(asked).toEqual([{ nsUuid: head!.uuid, nsid: 1, anaGroup: 1, path: 'nvme0c0n1', controller: 'nvme0', gateway: 'gw1' }]);
    const [record] = head!.activations.records;
    expect(record!.error).toBe(null);
    expect(record!.acknowledgedUs!).toBeGreaterThanOrEqual(record!.requestedUs);
    expect(record!.aenUs!).toBeGreaterThanOrEqual(record!.requestedUs);
    expect(record!.optimizedUs!).toBeGreaterThanOrEqual(record!.aenUs!);
    expect(bench.host.counters()).toMatchObject({ activations: 1, activationsFailed: 0 });
  });

  it('that fails is asked again later', async () => {
    let calls = 0;
    const bench = await connected([{ ana: { 1: 'inaccessible' } }], {
      activateHook: async ({ anaGroup }) => {
        if (++calls === 1) throw new Error('gateway busy');
        bench.targets[0]!.setAna(anaGroup, 'optimized');
      },
    });
    const [head] = bench.host.heads();
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'ok' });
    expect(head!.activations.records.map(({ error }) => error)).toEqual(['gateway busy', null]);
  });

  it('that is believed but changes nothing times out', async () => {
    const bench = await connected([{}, { ana: { 1: 'inaccessible' } }], { activateHook: async () => undefined, activateTimeoutMs: 100 });
    expect(await bench.host.heads()[0]!.activate('gw2')).toMatchObject({ path: 'nvme0c1n1', error: 'ACTIVATE_TIMEOUT', optimizedUs: null });
    expect(await bench.host.heads()[0]!.activate('gw9')).toMatchObject({ error: 'NO_SUCH_PATH' });
    expect(bench.host.counters()).toMatchObject({ activations: 1, activationsFailed: 1 });
  });

  it('is not needed: without one, activate says so', async () => {
    const bench = await connected([{}]);
    expect(await bench.host.heads()[0]!.activate('nvme0')).toMatchObject({ error: 'NO_ACTIVATE_HOOK' });
    expect(await bench.host.heads()[0]!.read(0, 1)).toMatchObject({ outcome: 'ok', status: Status.success });
  });
});
