import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { LinkStats } from '../../link/index.js';
import { Child } from './child.test.kit.js';
import type { FabricMemberConfig } from './fabric.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startFabric(): Promise<Child<object>> {
  const config: FabricMemberConfig = { seed: '7' };
  const child = await Child.start<object>('./fabric.ts', config);
  undo.push(() => child.kill());
  return child;
}
async function startEcho(): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}
/** Sends `text` and resolves to what comes back first, or the error code that ends the connection. */
function ask(port: number, text: string): { answer: Promise<string>; socket: net.Socket } {
  const socket = net.connect({ port, host: '127.0.0.1' });
  undo.push(() => socket.destroy());
  socket.write(text);
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  return { answer, socket };
}

describe('the fabric member', () => {
  it('adds, retargets, cuts, delays and heals links over its IPC channel', async () => {
    const fabric = await startFabric();
    const { port } = await fabric.call<{ port: number }>('addLink', { name: 'host1-gw1', targetHost: '127.0.0.1', targetPort: 0 });
    expect(await ask(port, 'a').answer).toBe('ECONNRESET');
    await fabric.call('setTarget', { name: 'host1-gw1', targetHost: '127.0.0.1', targetPort: await startEcho() });
    expect(await ask(port, 'b').answer).toBe('b');

    await fabric.call('cut', { name: 'host1-gw1', mode: 'drop' });
    const waiting = ask(port, 'c');
    let answered = false;
    void waiting.answer.then(() => (answered = true));
    const stats = (): Promise<LinkStats[]> => fabric.call('stats');
    while ((await stats())[0]!.connectionsWaiting !== 1) continue;
    expect(answered).toBe(false);
    await fabric.call('heal', { name: 'host1-gw1' });
    expect(await waiting.answer).toBe('c');

    await fabric.call('cut', { name: 'host1-gw1', mode: 'reset', direction: 'forward' });
    expect(await ask(port, 'd').answer).toBe('ECONNRESET');
    await fabric.call('heal', { all: true });
    await fabric.call('delay', { name: 'host1-gw1', delayMs: 5, jitterMs: 2 });
    expect(await ask(port, 'e').answer).toBe('e');
    await fabric.call('flap', { name: 'host1-gw1', mode: 'drop', downMs: 5, upMs: 5, cycles: 2 });
    expect(await ask(port, 'f').answer).toBe('f');
    expect(await fabric.call('stats', { name: 'host1-gw1' })).toMatchObject([{ name: 'host1-gw1', refused: 1, targetFailures: 1 }]);
  });

  it('refuses wrong parameters by name and goes on', async () => {
    const fabric = await startFabric();
    await expect(fabric.call('cut', { name: 'x', mode: 'drop' })).rejects.toThrow(/no link x/);
    await expect(fabric.call('cut', { name: 'x', mode: 'mangle' })).rejects.toThrow(/mode/);
    await expect(fabric.call('heal', {})).rejects.toThrow();
    await expect(fabric.call('addLink', { name: 'a', targetHost: '127.0.0.1', targetPort: 70_000 })).rejects.toThrow(/targetPort/);
    expect(await fabric.call('stats')).toEqual([]);
  });

  it('ends when the harness goes away', async () => {
    const fabric = await startFabric();
    fabric.process.disconnect();
    expect(await fabric.exited).toEqual({ code: 0, signal: null });
  });
});
