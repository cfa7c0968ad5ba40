import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlockBackend } from '../gateway/backend.js';
import type { StoreServer } from './server.js';
import { connect, filled, RawClient, startStore, testImage, Undo } from './store.test.kit.js';
import { encodeRequest, StoreOp } from './wire.js';

const undo = new Undo();
let store: StoreServer;
let witness: BlockBackend;

beforeAll(async () => {
  store = await startStore(undo);
  witness = await (await connect(undo, store.port, 1)).openImage(testImage.name);
  await witness.write(0, filled(42));
});
afterAll(() => undo.run());

/** The store still serves an innocent client, and its data is untouched. */
async function stillServes(): Promise<void> {
  expect((await witness.read(0, 1))[0]).toBe(42);
}

/** Sends bytes on a connection of its own and half-closes it; resolves when the store has ended it. */
function sendBytes(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ port: store.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}

describe('garbage', () => {
  it('ends only the connection that it came on', async () => {
    const before = store.counters().protocolErrors;
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 300 }), async (bytes) => {
      await sendBytes(bytes);
      await stillServes();
    }), { numRuns: 100 });
    expect(store.counters().protocolErrors).toBeGreaterThan(before + 50);
  });

  it('behind a valid header ends only the connection that it came on', async () => {
    const header = fc.record({
      op: fc.integer({ min: 0, max: 255 }), id: fc.nat(), handle: fc.integer({ min: 0, max: 0xffff }),
      slba: fc.integer({ min: 0, max: 2 ** 48 - 1 }), nlb: fc.integer({ min: 0, max: 0xffff_ffff }),
    });
    await fc.assert(fc.asyncProperty(header, fc.nat(3), fc.uint8Array({ maxLength: 100 }), async (fields, confirmed, payload) => {
      await sendBytes(Buffer.concat([encodeRequest(fields, confirmed, payload.length), payload]));
      await stillServes();
    }), { numRuns: 100 });
  });

  it('after a hello ends only the connection that it came on', async () => {
    let nonce = 1000;
    const request = fc.record({
      op: fc.constantFrom(0, 1, 2, 3, 16, 18, 19, 20, 64, 200), id: fc.integer({ min: 0, max: 5 }), handle: fc.integer({ min: 0, max: 2 }),
      // Never block 0, which the witness reads.
      slba: fc.integer({ min: 1, max: 300 }), nlb: fc.integer({ min: 0, max: 300 }),
    });
    await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), fc.uint8Array({ maxLength: 60 }), async (requests, tail) => {
      const raw = new RawClient(store.port);
      await raw.hello(nonce++);
      for (const { op, id, handle, slba, nlb } of requests) {
        raw.send(op, id, { handle, slba, nlb, payload: op === StoreOp.openImage || op === StoreOp.admin ? Buffer.from(tail) : Buffer.alloc(0) });
      }
      raw.socket.end(tail);
      await raw.closed;
      await stillServes();
    }), { numRuns: 100 });
  });

  it.each([
    ['no JSON', 'x', /not JSON/, 511], ['an unknown method', '{"method":"format"}', /method/, 512],
    ['a field too many', '{"method":"epoch","x":1}', /x/, 513], ['a wrong type', '{"method":"hold","client":3}', /client/, 514],
  ])('in an admin request (%s) is answered with STORE_BAD_REQUEST and keeps the connection', async (_name, json, text, nonce) => {
    const raw = new RawClient(store.port);
    await raw.hello(nonce);
    raw.send(StoreOp.admin, 1, { payload: Buffer.from(json) });
    const answer = await raw.next();
    expect([answer.status, answer.payload.toString()]).toEqual([7, expect.stringMatching(text)]);
    raw.send(StoreOp.admin, 2, { payload: Buffer.from('{"method":"epoch"}') });
    expect((await raw.next()).payload.toString()).toBe('1');
    raw.socket.destroy();
    await raw.closed;
  });

  it('in a hello is answered, then the connection ends', async () => {
    const raw = new RawClient(store.port);
    raw.send(StoreOp.hello, 1, { payload: Buffer.from('{"version":99}') });
    expect(await raw.next()).toMatchObject({ status: 7 });
    await raw.closed;
  });

  it('such as a confirmation of answers never given ends the connection', async () => {
    const raw = new RawClient(store.port);
    await raw.hello(501);
    raw.write(1, 5, 1, 1_000);
    await raw.closed;
    await stillServes();
  });

  it('such as a million unanswered requests is bounded', async () => {
    const raw = new RawClient(store.port);
    await raw.hello(502);
    store.hold('raw502');
    const frame = (id: number): Buffer => encodeRequest({ op: StoreOp.deallocate, id, handle: 0, slba: 9, nlb: 1 }, 0, 0);
    raw.socket.write(Buffer.concat(Array.from({ length: 20_000 }, (_, i) => frame(i + 1))));
    await raw.closed;
    expect(store.injection().held['raw502']).toBe(8192);
    await store.blocklistAdd(['127.0.0.1:0/502']);
    store.release();
    await stillServes();
  });
});
