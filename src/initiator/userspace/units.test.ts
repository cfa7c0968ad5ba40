import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Status } from '../../nvme/index.js';
import { HostCounters } from './counters.js';
import { Deadlines } from './deadlines.js';
import { HostEmitter } from './events.js';
import { Fifo } from './fifo.js';
import { displayUuid } from './join.js';
import { HostLimit } from './limits.js';
import { maxReconnects, resolveOptions } from './options.js';
import type { HostOptions } from './options.js';
import { RequeueList } from './requeue-list.js';
import { decideDisposition } from './retry.js';
import { SlotTable } from './slots.js';
import { testOptions, until } from './testing/fixture.js';

describe('Fifo', () => {
  it('is a queue under any mix of operations', () => {
    const operation = fc.oneof(fc.record({ push: fc.integer() }), fc.constant('shift' as const), fc.record({ remove: fc.integer({ min: -5, max: 5 }) }));
    fc.assert(fc.property(fc.array(operation, { maxLength: 3_000 }), (operations) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const op of operations) {
        if (op === 'shift') expect(fifo.shift()).toBe(model.shift());
        else if ('push' in op) {
          fifo.push(op.push);
          model.push(op.push);
        } else {
          const at = model.indexOf(op.remove);
          expect(fifo.remove(op.remove)).toBe(at >= 0);
          if (at >= 0) model.splice(at, 1);
        }
        expect(fifo.length).toBe(model.length);
        expect(fifo.peek()).toBe(model[0]);
      }
      expect([...fifo]).toEqual(model);
    }), { numRuns: 50 });
  });

  it('stays a queue beyond the size at which it drops its consumed part', () => {
    const fifo = new Fifo<number>();
    for (let i = 0; i < 5_000; i += 1) fifo.push(i);
    for (let i = 0; i < 4_000; i += 1) expect(fifo.shift()).toBe(i);
    expect(fifo.length).toBe(1_000);
    expect(fifo.remove(4_500)).toBe(true);
    expect([...fifo]).toEqual(Array.from({ length: 1_000 }, (_, i) => 4_000 + i).filter((i) => i !== 4_500));
  });
});

describe('SlotTable', () => {
  it('never hands out a slot twice, nor a cid again within 16 uses of its slot', () => {
    const table = new SlotTable(3);
    const slots = [table.take()!, table.take()!, table.take()!];
    expect(new Set(slots).size).toBe(3);
    expect(table.take()).toBe(undefined);
    table.release(slots[1]!);
    const cids = new Set<number>();
    for (let i = 0; i < 16; i += 1) {
      const slot = table.take()!;
      expect(slot).toBe(slots[1]);
      expect(table.find(slot.cid)).toBe(slot);
      cids.add(slot.cid);
      table.release(slot);
      expect(table.find(slot.cid)).toBe('stale');
    }
    expect(cids.size).toBe(16);
    expect(table.find(0x0ff0)).toBe('out-of-range');
  });

  it('never makes cid FFFFh, even in the largest queue', () => {
    const table = new SlotTable(HostLimit.queueEntriesMax - 1);
    const slots = Array.from(table.slots, () => table.take()!);
    for (let round = 0; round < 17; round += 1) {
      const last = slots.at(-1)!;
      expect(last.cid).not.toBe(0xffff);
      table.release(last);
      slots[slots.length - 1] = table.take()!;
    }
  });
});

describe('Deadlines', () => {
  it('reports an unanswered slot, and forgives one whose answer was only waiting to be read', async () => {
    const table = new SlotTable(2);
    const expired: number[] = [];
    let forgiven = 0;
    const deadlines = new Deadlines(table.slots, (slot) => expired.push(slot.cid), (count) => void (forgiven += count));
    // The answer comes by a socket. It is in the kernel when the loop stalls for longer than the deadline.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [peer] = await accepted;
    const answered = table.take()!;
    socket.once('data', () => table.release(answered));
    deadlines.start(answered, 20);
    peer.write('x');
    const stallUntil = performance.now() + 60;
    while (performance.now() < stallUntil);
    await until(() => forgiven === 1 || expired.length > 0);
    expect(expired).toEqual([]);
    socket.destroy();
    server.close();
    const lost = table.take()!;
    deadlines.start(lost, 20);
    await until(() => expired.length === 1);
    expect(expired).toEqual([lost.cid]);
    deadlines.stop();
  });
});

describe('RequeueList', () => {
  const item = (bytes: number): { bytes: number; queuedAtUs: number } => ({ bytes, queuedAtUs: 0 });

  it('keeps order, age and both bounds', () => {
    const list = new RequeueList<ReturnType<typeof item>>(3, 100);
    const [a, b, c] = [item(60), item(40), item(1)];
    expect([list.push(a), list.push(b), list.push(c)]).toEqual([true, true, false]);
    expect(list).toMatchObject({ depth: 2, bytes: 100 });
    expect(a.queuedAtUs).toBeGreaterThan(0);
    expect(list.shift()).toBe(a);
    expect(a.queuedAtUs).toBe(0);
    expect(list.push(c)).toBe(true);
    expect(list.remove(b)).toBe(true);
    expect(list.remove(b)).toBe(false);
    expect(list).toMatchObject({ depth: 1, bytes: 1 });
  });

  it('takes one that is larger than the bound if it is alone', () => {
    const list = new RequeueList<ReturnType<typeof item>>(3, 100);
    expect(list.push(item(500))).toBe(true);
    expect(list.push(item(1))).toBe(false);
  });
});

describe('decideDisposition', () => {
  const io = { localRetries: 0, pinned: false };
  it.each([
    ['success', { status: 0, dnr: false }, io, 'ok'],
    ['DNR, whatever the status', { status: Status.anaInaccessible, dnr: true }, io, 'complete'],
    ['a path error', { status: Status.anaTransition, dnr: false }, io, 'failover'],
    ['a path error after many local retries', { status: Status.anaTransition, dnr: false }, { ...io, localRetries: 9 }, 'failover'],
    ['a path error of a pinned I/O', { status: Status.anaTransition, dnr: false }, { ...io, pinned: true }, 'complete'],
    ['a generic error', { status: Status.internalError, dnr: false }, { ...io, localRetries: 4 }, 'retry'],
    ['a generic error with the retries used up', { status: Status.internalError, dnr: false }, { ...io, localRetries: 5 }, 'complete'],
  ] as const)('%s', (_name, answer, about, expected) => {
    expect(decideDisposition(answer, about, 5)).toBe(expected);
  });
});

describe('options', () => {
  it('have the Linux defaults', () => {
    const { name, subNqn, hostNqn, hostId } = testOptions;
    expect(resolveOptions({ name, subNqn, hostNqn, hostId })).toMatchObject({
      policy: 'numa', katoMs: 5_000, ioTimeoutMs: 30_000, adminTimeoutMs: 60_000, reconnectDelayMs: 10_000, ctrlLossTmoMs: 600_000, fastIoFailTmoMs: -1,
      queueSize: 128, maxLocalRetries: 5, maxFailovers: -1, queueTimeoutMs: 0, failoverHold: 'none', delayedRemovalMs: 0,
    });
  });

  it.each<[string, Partial<HostOptions>, string]>([
    ['a number out of range', { queueSize: 1 }, 'queueSize = 1'],
    ['a number that is none', { katoMs: Number.NaN }, 'katoMs = NaN'],
    ['an unknown policy', { policy: 'random' as never }, 'numa, round-robin, queue-depth'],
    ['a host id that is none', { hostId: 'abc' }, 'hostId = abc'],
    ['no NQN', { subNqn: '' }, 'subNqn is missing'],
    ['a hold that is none', { failoverHold: 'long' as never }, 'failoverHold'],
  ])('refuse %s by name', (_name, change, message) => {
    expect(() => resolveOptions({ ...testOptions, ...change })).toThrow(expect.objectContaining({ code: 'HOST_OPTION', exitCode: 64, message: expect.stringContaining(message) as string }) as Error);
  });

  it('refuse failoverHold ccr as known but not offered, with what to use instead', () => {
    expect(() => resolveOptions({ ...testOptions, failoverHold: 'ccr' })).toThrow(expect.objectContaining({ code: 'FAILOVER_HOLD_CCR', hint: expect.stringContaining('{ ms }') as string }) as Error);
  });

  it('count reconnects as Linux does', () => {
    expect([maxReconnects(600_000, 10_000), maxReconnects(100, 40), maxReconnects(0, 40), maxReconnects(-1, 40)]).toEqual([60, 3, 0, -1]);
  });
});

describe('displayUuid', () => {
  it('falls back from UUID to NGUID to EUI64', () => {
    const nguid = '00112233445566778899aabbccddeeff';
    expect(displayUuid({ nsid: 1, uuid: 'u', nguid, eui64: 'e' })).toBe('u');
    expect(displayUuid({ nsid: 1, uuid: '', nguid, eui64: 'e' })).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(displayUuid({ nsid: 1, uuid: '', nguid: '', eui64: 'e' })).toBe('eui.e');
    expect(displayUuid({ nsid: 1, uuid: '', nguid: '', eui64: '' })).toBe('');
  });
});

describe('HostEmitter', () => {
  it('counts a listener that throws and goes on with the others', () => {
    const counters = new HostCounters();
    const emitter = new HostEmitter('h', counters);
    const seen: string[] = [];
    emitter.on(() => {
      throw new Error('listener');
    });
    const stop = emitter.on((event) => seen.push(`${event.host} ${event.type} ${event.tUs > 0}`));
    emitter.emit({ type: 'host.counters', counters: {} });
    stop();
    emitter.emit({ type: 'host.counters', counters: {} });
    expect(seen).toEqual(['h host.counters true']);
    expect(counters.listenerErrors).toBe(2);
  });
});
