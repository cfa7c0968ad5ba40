import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nowUs } from '../../util/clock.js';
import type { LinkStats } from './link.js';
import { aWhile, Bench, Target, until } from './link.test.kit.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});
afterEach(() => bench.close());
const stats = (): LinkStats => bench.fabric.link('a').stats();

describe('a whole link', () => {
  it('passes bytes both ways and counts them', async () => {
    const { client, server } = await bench.pair();
    client.socket.write('question');
    await until(() => server.text === 'question');
    server.socket.write('answer');
    await until(() => client.text === 'answer');
    expect(stats()).toMatchObject({ connections: 1, connectionsOpen: 1, connectionsWaiting: 0, bytesForward: 8, bytesBackward: 6, resets: 0, cut: null });
  });

  it('passes FIN as FIN, one direction at a time', async () => {
    const { client, server } = await bench.pair();
    client.socket.end('last words');
    await until(() => server.fin);
    expect([server.text, client.closed, client.fin]).toEqual(['last words', false, false]);
    server.socket.end('reply after FIN');
    await until(() => client.fin && client.closed && server.closed);
    expect([client.text, client.error, server.error]).toEqual(['reply after FIN', null, null]);
    await until(() => stats().connectionsOpen === 0);
    expect(stats().resets).toBe(0);
  });

  it('passes RST as RST, from either side', async () => {
    for (const side of ['client', 'server'] as const) {
      const pair = await bench.pair();
      const other = pair[side === 'client' ? 'server' : 'client'];
      pair[side].socket.resetAndDestroy();
      await until(() => other.closed);
      expect([side, other.reset, other.fin]).toEqual([side, true, false]);
    }
    await until(() => stats().connectionsOpen === 0);
    expect(stats()).toMatchObject({ resets: 2, targetFailures: 0 });
  });

  it('resets a client whose target does not answer, and follows a change of target', async () => {
    const other = new Target();
    await bench.listen(other);
    const { port } = other;
    await new Promise((resolve) => other.server.close(resolve));
    bench.fabric.setTarget('a', { host: '127.0.0.1', port });
    const refused = await bench.dial();
    await until(() => refused.closed);
    expect([refused.reset, stats().targetFailures]).toEqual([true, 1]);
    const third = new Target();
    await bench.listen(third);
    bench.fabric.setTarget('a', { host: '127.0.0.1', port: third.port });
    const client = await bench.dial();
    client.socket.write('x');
    await until(() => third.ends[0]?.text === 'x');
    expect(bench.target.ends.length).toBe(0);
  });

  it('does not buffer for a receiver that does not read, and loses nothing when it does', async () => {
    const { client, server } = await bench.pair();
    server.socket.pause();
    const data = randomBytes(32 * 1024 * 1024);
    client.socket.write(data);
    let seen = -1;
    await until(() => {
      const now = stats().bytesForward;
      const stalled = now === seen && now > 0;
      seen = now;
      return stalled;
    });
    await aWhile();
    expect(client.socket.writableLength).toBeGreaterThan(0);
    expect(stats().bytesForward).toBeLessThan(data.length);
    const chunks: Buffer[] = [];
    server.socket.removeAllListeners('data');
    server.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    server.socket.resume();
    await until(() => chunks.reduce((sum, chunk) => sum + chunk.length, 0) === data.length);
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });
});

describe('cut by dropping', () => {
  it.each(['forward', 'backward', 'both'] as const)('%s: silence in the cut direction only, then everything in order', async (direction) => {
    const { client, server } = await bench.pair();
    bench.fabric.cut('a', 'drop', direction);
    client.socket.write('one ');
    server.socket.write('ONE ');
    const [forwardCut, backwardCut] = [direction !== 'backward', direction !== 'forward'];
    await until(() => (forwardCut || server.text === 'one ') && (backwardCut || client.text === 'ONE '));
    await aWhile();
    expect([server.text, client.text]).toEqual([forwardCut ? '' : 'one ', backwardCut ? '' : 'ONE ']);
    expect(stats()).toMatchObject({ cut: { mode: 'drop', direction }, bytesForward: forwardCut ? 0 : 4, bytesBackward: backwardCut ? 0 : 4 });
    client.socket.write('two');
    server.socket.write('TWO');
    bench.fabric.heal('a');
    await until(() => server.text === 'one two' && client.text === 'ONE TWO');
    expect([client.closed, server.closed, stats().heals]).toEqual([false, false, 1]);
  });

  it.each(['forward', 'backward', 'both'] as const)('%s: a new connection does not reach the target before the heal', async (direction) => {
    bench.fabric.cut('a', 'drop', direction);
    const client = await bench.dial();
    client.socket.write('hello');
    await aWhile();
    expect([bench.target.ends.length, client.closed, stats().connectionsWaiting]).toEqual([0, false, 1]);
    bench.fabric.heal('a');
    await until(() => bench.target.ends[0]?.text === 'hello');
    expect(stats().connectionsWaiting).toBe(0);
  });

  it('leads a waiting connection to the target of the time of the heal', async () => {
    bench.fabric.cut('a', 'drop');
    const client = await bench.dial();
    client.socket.write('hello');
    const other = new Target();
    await bench.listen(other);
    bench.fabric.setTarget('a', { host: '127.0.0.1', port: other.port });
    bench.fabric.heal();
    await until(() => other.ends[0]?.text === 'hello');
    expect(bench.target.ends.length).toBe(0);
  });

  it.each([
    ['RST', (socket: { resetAndDestroy(): void }) => void socket.resetAndDestroy(), true],
    ['FIN', (socket: { end(): void }) => socket.end(), false],
  ] as const)('does not let a %s through before the heal', async (_name, finish, reset) => {
    const { client, server } = await bench.pair();
    bench.fabric.cut('a', 'drop', 'forward');
    finish(client.socket);
    server.socket.write('into nothing');
    await aWhile();
    server.socket.write('still nothing known');
    await aWhile();
    expect([server.closed, server.fin]).toEqual([false, false]);
    bench.fabric.heal('a');
    await until(() => server.closed || server.fin);
    expect([server.reset, server.fin]).toEqual([reset, !reset]);
  });

  it('keeps a stream whole through many cuts', async () => {
    const { client, server } = await bench.pair();
    server.socket.removeAllListeners('data');
    server.socket.on('data', (chunk: Buffer) => server.socket.write(chunk));
    const chunkBytes = 96 * 1024;
    const data = randomBytes(40 * chunkBytes);
    for (let i = 0; i < 40; i++) {
      bench.fabric.cut('a', 'drop', (['both', 'forward', 'backward'] as const)[i % 3]);
      client.socket.write(data.subarray(i * chunkBytes, (i + 1) * chunkBytes));
      await new Promise((resolve) => setTimeout(resolve, 1));
      bench.fabric.heal('a');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => client.received.length >= data.length);
    expect(client.received.equals(data)).toBe(true);
    expect(stats()).toMatchObject({ cuts: 40, heals: 40, resets: 0 });
  });
});

describe('cut by resetting', () => {
  it('ends both sides of all connections with RST, refuses new ones with RST, until the heal', async () => {
    const pairs = [await bench.pair(), await bench.pair()];
    bench.fabric.cut('a', 'reset');
    await until(() => pairs.every(({ client, server }) => client.closed && server.closed));
    expect(pairs.map(({ client, server }) => [client.reset, server.reset])).toEqual([[true, true], [true, true]]);
    const refused = await bench.dial();
    await until(() => refused.closed);
    expect([refused.reset, bench.target.ends.length]).toEqual([true, 2]);
    expect(stats()).toMatchObject({ resets: 2, refused: 1, connectionsOpen: 0 });
    bench.fabric.heal('a');
    const { client, server } = await bench.pair();
    client.socket.write('again');
    await until(() => server.text === 'again');
  });

  it('also ends connections that wait for the heal of a drop', async () => {
    bench.fabric.cut('a', 'drop');
    const waiting = await bench.dial();
    await until(() => stats().connectionsWaiting === 1);
    bench.fabric.cut('a', 'reset');
    await until(() => waiting.closed);
    expect([waiting.reset, bench.target.ends.length]).toEqual([true, 0]);
  });
});

describe('delay', () => {
  it('holds each chunk for at least the delay, in its direction only, and keeps the order with jitter', async () => {
    const { client, server } = await bench.pair();
    bench.fabric.delay('a', 40, 30, 'forward');
    const fromUs = nowUs();
    for (let i = 0; i < 20; i++) {
      client.socket.write(`${i},`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    server.socket.write('undelayed');
    await until(() => client.text === 'undelayed');
    client.socket.end();
    await until(() => server.text !== '');
    expect(nowUs() - fromUs).toBeGreaterThanOrEqual(40_000);
    await until(() => server.fin);
    expect(server.text).toBe(Array.from({ length: 20 }, (_, i) => `${i},`).join(''));
    expect(stats().delayMs).toEqual({ forward: 40, backward: 0 });
  });

  it('does not let what comes after its end overtake what it still holds', async () => {
    const { client, server } = await bench.pair();
    bench.fabric.delay('a', 80);
    client.socket.write('slow ');
    await aWhile();
    bench.fabric.delay('a', 0);
    client.socket.write('fast');
    await until(() => server.text.length === 9);
    expect(server.text).toBe('slow fast');
  });

  it('keeps what it holds when the link is cut, and gives it out after the heal', async () => {
    const { client, server } = await bench.pair();
    bench.fabric.delay('a', 20);
    client.socket.write('held');
    await new Promise((resolve) => setTimeout(resolve, 5));
    bench.fabric.cut('a', 'drop');
    await aWhile();
    expect(server.text).toBe('');
    bench.fabric.heal('a');
    await until(() => server.text === 'held');
  });

  it('delays RST too', async () => {
    const { client, server } = await bench.pair();
    bench.fabric.delay('a', 50);
    const fromUs = nowUs();
    client.socket.resetAndDestroy();
    await until(() => server.closed);
    expect(server.reset).toBe(true);
    expect(nowUs() - fromUs).toBeGreaterThanOrEqual(45_000);
  });
});

describe('flap', () => {
  it('cuts and heals as often as told, and ends whole', async () => {
    const { client, server } = await bench.pair();
    bench.fabric.flap('a', { mode: 'drop', downMs: 10, upMs: 10, cycles: 3 });
    expect(stats()).toMatchObject({ flapping: true, cut: { mode: 'drop', direction: 'both' } });
    await until(() => !stats().flapping);
    expect(stats()).toMatchObject({ cuts: 3, heals: 3, cut: null });
    client.socket.write('x');
    await until(() => server.text === 'x');
  });

  it('goes on until the heal', async () => {
    bench.fabric.flap('a', { mode: 'reset', downMs: 2, upMs: 2 });
    await until(() => stats().cuts > 3);
    bench.fabric.heal('a');
    const { cuts } = stats();
    await aWhile();
    expect(stats()).toMatchObject({ cuts, flapping: false, cut: null });
  });
});
