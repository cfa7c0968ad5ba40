import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { AdminOpcode } from '../../nvme/index.js';
import { fixture } from './testing/fixture.js';
import { RawQueue } from './testing/raw-queue.js';

/** Fields that decide the most, each often at a value that means something, else at any. */
const sqeArbitrary = (opcodes: readonly number[]): fc.Arbitrary<Buffer> => fc.record({
  opcode: fc.oneof(fc.constantFrom(...opcodes), fc.nat(255)),
  flags: fc.oneof(fc.constant(0x40), fc.nat(255)),
  nsid: fc.oneof(fc.constantFrom(0, 1, 2, 3, 0xffffffff), fc.nat(0xffffffff)),
  sglLength: fc.oneof(fc.constantFrom(0, 16, 512, 1024, 4096), fc.nat(0xffffffff)),
  sglId: fc.oneof(fc.constantFrom(0x01, 0x5a), fc.nat(255)),
  cdw: fc.array(fc.oneof(fc.nat(20), fc.constantFrom(0x70, 0x0c, 0x10004, 0xffffffff), fc.nat(0xffffffff)), { minLength: 6, maxLength: 6 }),
  fctype: fc.nat(255),
}).map(({ opcode, flags, nsid, sglLength, sglId, cdw, fctype }) => {
  const sqe = Buffer.alloc(64);
  sqe[0] = opcode;
  sqe[1] = flags;
  sqe.writeUInt32LE(nsid, 4);
  if (opcode === AdminOpcode.fabrics) sqe[4] = fctype;
  sqe.writeUInt32LE(sglLength, 32);
  sqe[39] = sglId;
  cdw.forEach((value, i) => sqe.writeUInt32LE(value >>> 0, 40 + 4 * i));
  return sqe;
});

const payloadArbitrary = fc.oneof(fc.constant(0), fc.constantFrom(16, 512, 1024, 4096)).map((bytes) => Buffer.alloc(bytes, 0x33));
const later = Buffer.alloc(128 * 1024, 0x44);

describe('any command', () => {
  it.each([
    ['admin', [0x02, 0x06, 0x08, 0x09, 0x0a, 0x18, 0x7f]],
    ['I/O', [0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x7f]],
  ])('on the %s queue is answered, or ends its own connection and nothing else', async (which, opcodes) => {
    const { host, events } = await fixture();
    const witness = await host();
    let raw = await host();
    let queue = which === 'admin' ? raw.admin : (await raw.io()).queue;
    await fc.assert(fc.asyncProperty(sqeArbitrary(opcodes), payloadArbitrary, async (sqe, payload) => {
      // An event request is answered when there is an event, which is not now.
      fc.pre(!(which === 'admin' && sqe[0] === AdminOpcode.asyncEventRequest));
      sqe.writeUInt16LE(queue.cid, 2);
      const answered = await Promise.race([
        queue.command(sqe, { payload, later }).then(() => true, () => false),
        queue.closed.then(() => false),
      ]);
      if (!answered) await queue.closed;
      // A controller that was disabled by chance answers nothing but sequence errors: start over.
      queue.destroy();
      raw.admin.destroy();
      raw = await host();
      queue = which === 'admin' ? raw.admin : (await raw.io()).queue;
    }), { numRuns: 250 });
    expect((await witness.keepAlive()).status).toBe(0);
    expect(events.filter((event) => event.type === 'internal-error')).toEqual([]);
  });
});

describe('any bytes', () => {
  it('end only the connection that they came on', async () => {
    const { address, host, events } = await fixture();
    const witness = await host();
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 400 }), fc.boolean(), async (bytes, initialized) => {
      const queue = initialized ? await RawQueue.connect(address) : await RawQueue.open(address);
      queue.write(Buffer.from(bytes));
      const ended = await Promise.race([queue.closed, new Promise((resolve) => setTimeout(resolve, 20, 'waits for more'))]);
      // What it takes for an unfinished PDU it waits for; the Connect timer ends that.
      expect(['end', 'reset', 'waits for more']).toContain(ended);
      queue.destroy();
    }), { numRuns: 100 });
    expect((await witness.keepAlive()).status).toBe(0);
    expect(events.filter((event) => event.type === 'internal-error')).toEqual([]);
  });
});
