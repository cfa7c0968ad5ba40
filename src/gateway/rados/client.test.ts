import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askAdminSocket } from './admin-socket.js';
import { addressOf, firstEpoch, imageOf, RadosClient } from './client.js';

let dir: string;
let server: Server;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pathproof-asok-'));
});
afterEach(() => {
  server?.close();
  rmSync(dir, { recursive: true });
});

/** Answers each command by its prefix (and messenger), in pieces of this many bytes. */
function serve(answers: Record<string, unknown>, pieceBytes = 7): Promise<string> {
  const path = join(dir, '1.asok');
  server = createServer((socket) => {
    let asked = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      asked += chunk.toString('utf8');
      if (!asked.endsWith('\0')) return;
      const { prefix, msgr } = JSON.parse(asked.slice(0, -1)) as { prefix: string; msgr?: string };
      const answer = answers[msgr === undefined ? prefix : `${prefix} ${msgr}`];
      if (answer === undefined) return void socket.end();
      const text = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      const all = Buffer.concat([length, text]);
      void (async () => {
        for (let at = 0; at < all.length; at += pieceBytes) {
          socket.write(all.subarray(at, at + pieceBytes));
          await new Promise(setImmediate);
        }
      })();
    });
  });
  return new Promise((resolve) => server.listen(path, () => resolve(path)));
}

/** As librados 20.2.4 answers, shortened. */
const honest = {
  'help': { 'config get': '…', 'messenger dump': 'dump messenger status', 'rbd cache flush rbd/img1': 'flush rbd image rbd/img1 cache', 'rbd cache invalidate rbd/img1': '…' },
  'messenger dump': { messengers: ['radosclient-13798216722928678629'] },
  'messenger dump radosclient-13798216722928678629': { messenger: { my_name: { type: 'client', num: 4106 }, my_addrs: { addrvec: [{ type: 'any', addr: '10.77.0.2:0', nonce: 3_758_405_349 }] } } },
  'perf dump': { objecter: { op_active: 0, map_epoch: 0 } },
};
const log = '2026-11-26T01:52:30 7f0 3 client.4106.objecter handle_osd_map got epochs [9,9] > 0\n2026 7f0 3 client.4106.objecter handle_osd_map decoding full epoch 9\n2026 7f0 3 client.4106.objecter handle_osd_map decoding incremental epoch 10\n';

describe('the admin socket', () => {
  it('gives the answer whole, however it comes', async () => {
    const path = await serve(honest, 3);
    expect(await askAdminSocket(path, { prefix: 'messenger dump' })).toEqual(honest['messenger dump']);
  });

  it('rejects what is no JSON, a connection that is closed, silence, and a socket that is not there', async () => {
    const path = await serve({ a: 'no json' });
    await expect(askAdminSocket(path, { prefix: 'a' })).rejects.toThrow('no JSON in the answer to {"prefix":"a"}: no json');
    await expect(askAdminSocket(path, { prefix: 'b' })).rejects.toThrow('closed before it had answered');
    server.close();
    const silent = join(dir, '2.asok');
    server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(silent, resolve));
    await expect(askAdminSocket(silent, { prefix: 'a' }, 50)).rejects.toThrow('no answer to {"prefix":"a"} within 50 ms');
    await expect(askAdminSocket(join(dir, '3.asok'), { prefix: 'a' })).rejects.toThrow('ENOENT');
  });
});

describe('a RADOS client', () => {
  it('says itself who it is, what it has open, and how new its map is', async () => {
    const path = await serve(honest);
    writeFileSync(join(dir, '1.log'), log);
    const client = await RadosClient.identify(path);
    expect([client.address, client.image, client.epoch]).toEqual(['10.77.0.2:0/3758405349', 'rbd/img1', 9]);
    // The counter is 0 until a second map has come.
    expect(await client.askEpoch()).toBe(9);
    server.close();
    rmSync(path, { force: true });
    await serve({ 'perf dump': { objecter: { map_epoch: 12 } } });
    expect(await client.askEpoch()).toBe(12);
    expect(client.epoch).toBe(12);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no image', { ...honest, help: { 'config get': '…' } }, 'has no image open'],
    ['no messenger', { ...honest, 'messenger dump': { messengers: [] } }, 'names no messenger'],
    ['no address', { ...honest, 'messenger dump radosclient-13798216722928678629': { messenger: { my_addrs: { addrvec: [{ type: 'any', addr: '0.0.0.0:0', nonce: 1 }] } } } }, 'does not tell its address'],
    ['an older release', { ...honest, 'messenger dump': undefined }, 'closed before it had answered'],
  ])('that has %s is not guessed at', async (_, answers, why) => {
    writeFileSync(join(dir, '1.log'), log);
    await expect(RadosClient.identify(await serve(answers))).rejects.toThrow(why);
  });

  it('reads what librados prints, and nothing else', () => {
    expect(imageOf({ 'rbd cache flush p/a b': '' })).toBeUndefined();
    expect(imageOf({})).toBeUndefined();
    expect(addressOf({})).toBeUndefined();
    expect(addressOf({ messenger: { my_addrs: { addrvec: [{ addr: '10.0.0.1:6800', nonce: 1 }] } } })).toBeUndefined();
    expect(addressOf({ messenger: { my_addrs: { addrvec: [{ addr: '[2001:db8::1]:0', nonce: 7 }] } } })).toBe('[2001:db8::1]:0/7');
    expect(firstEpoch('')).toBe(0);
    expect(firstEpoch(log)).toBe(9);
  });
});
