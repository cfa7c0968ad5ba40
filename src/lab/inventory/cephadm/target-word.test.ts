import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SocketAddress } from '../../../gateway/control.js';
import { fixture, nqn } from '../../../gateway/target/testing/fixture.js';
import type { EventBody } from '../../../history/events.js';
import { sleep } from '../../../util/clock.js';
import { TargetWord } from './target-word.js';

type GatewayState = Extract<EventBody, { type: 'gw.state' }>;

describe('a target’s own word', () => {
  let dir: string;
  let server: Server | undefined;
  let word: TargetWord | undefined;
  let said: GatewayState[];
  const sockets = new Set<Socket>();
  /** Nothing passes any more, and nobody is told. */
  let silent: boolean;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppword-'));
    said = [];
    silent = false;
  });
  afterEach(async () => {
    await word?.stop();
    word = undefined;
    for (const socket of sockets) socket.destroy();
    server?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** What `ssh -L SOCKET:ADDRESS` does: it takes every connection, and ends it where nobody listens at the other end. */
  function tunnel(to: SocketAddress): Promise<void> {
    server = createServer((near) => {
      const far = connect(to);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      near.on('data', (chunk: Buffer) => void (silent || far.write(chunk)));
      far.on('data', (chunk: Buffer) => void (silent || near.write(chunk)));
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
    });
    return new Promise((resolve) => void server!.listen(join(dir, 'word'), resolve));
  }

  const listen = (subNqn = nqn): void => {
    word = new TargetWord({
      gateway: 'gw1', subNqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555', listener: '192.0.2.1:4420',
      open: () => Promise.resolve(join(dir, 'word')), emit: (event) => void (event.type === 'gw.state' && said.push(event)), periodMs: 20,
    });
  };
  const last = (): GatewayState | undefined => said.at(-1);

  it('is its ANA log, and follows it', async () => {
    const { target, address } = await fixture();
    await tunnel(address);
    listen();
    await expect.poll(last, { timeout: 10_000 }).toEqual({ type: 'gw.state', gateway: 'gw1', ana: { 1: 'optimized', 2: 'optimized' }, listeners: ['192.0.2.1:4420'], namespaces: 2, serving: true });
    await target.setAnaState(nqn, 2, 'inaccessible');
    await expect.poll(() => last()?.ana, { timeout: 10_000 }).toEqual({ 1: 'optimized', 2: 'inaccessible' });
    // The same again is no news, until a second has passed.
    const before = said.length;
    await sleep(300);
    expect(said.length - before).toBeLessThanOrEqual(1);
    expect(said.every(({ serving }) => serving)).toBe(true);
  });

  it('says that it does not serve once nobody listens, and serves again later', async () => {
    const { target, address } = await fixture();
    await tunnel(address);
    listen();
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ serving: true });
    await target.removeListener(nqn, address);
    for (const socket of sockets) socket.destroy();
    await expect.poll(last, { timeout: 10_000 }).toEqual({ type: 'gw.state', gateway: 'gw1', ana: {}, listeners: [], namespaces: 0, serving: false });
    await target.addListener(nqn, address);
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ serving: true, namespaces: 2 });
  });

  it('says that it does not serve where it refuses Connect, as SPDK does at an address that only another subsystem has', async () => {
    const { address } = await fixture();
    await tunnel(address);
    listen(`${nqn}-other`);
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ ana: {}, listeners: [], serving: false });
  });

  it('says that it does not serve where ssh takes what it is sent, and then resets the connection', async () => {
    // Closed with data that nobody has read: a reset, on a unix socket, too.
    server = createServer({ pauseOnConnect: true }, (near) => void setTimeout(() => near.destroy(), 20));
    await new Promise<void>((resolve) => void server!.listen(join(dir, 'word'), resolve));
    listen();
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ ana: {}, listeners: [], serving: false });
  });

  it('says nothing of a target that does not answer, or that cannot be reached', async () => {
    const { address } = await fixture();
    await tunnel(address);
    listen();
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ serving: true });
    silent = true;
    await sleep(100);
    const before = said.length;
    await sleep(1_500);
    expect(said.length).toBe(before);
    // ssh is gone, and its socket with it.
    server!.close();
    rmSync(join(dir, 'word'), { force: true });
    for (const socket of sockets) socket.destroy();
    await sleep(1_000);
    expect(said.length).toBe(before);
  });
});
