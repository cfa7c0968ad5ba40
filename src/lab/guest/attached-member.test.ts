import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../history/events.js';
import { nowUs } from '../../util/clock.js';
import type { MemberMessage, MemberRequest } from '../member/protocol.js';
import type { Ssh } from '../qemu/vm/ssh.js';
import { AttachedMember } from './attached-member.js';

/** A guest whose clock is behind ours and whose member says what a test wants; SSH's forwarding leads straight to it. */
class FakeGuest {
  readonly requests: MemberRequest[] = [];
  behindUs = 7_000_000;
  /** Connections that are closed without a word, as while the member starts. */
  deaf = 0;
  socket: Socket | undefined;
  server: Server | undefined;

  readonly ssh = {
    forward: (local: string) => new Promise<void>((resolve) => {
      this.server = createServer((socket) => this.#serve(socket)).listen(local, resolve);
    }),
    exec: () => Promise.resolve({ stdout: 'its last words\n', stderr: '', exitCode: 0, ms: 1 }),
  } as unknown as Ssh;

  send(message: MemberMessage): void {
    this.socket?.write(`${JSON.stringify(message)}\n`);
  }

  #serve(socket: Socket): void {
    if (this.deaf-- > 0) return void socket.destroy();
    this.socket = socket;
    socket.on('error', () => undefined);
    this.send({ kind: 'ready', info: { pid: 42 } });
    createInterface({ input: socket }).on('line', (line) => {
      const request = JSON.parse(line) as MemberRequest;
      this.requests.push(request);
      if (request.method === 'refuse') return this.send({ kind: 'reply', id: request.id, error: 'no' });
      this.send({ kind: 'reply', id: request.id, result: request.method === 'clock' ? { ownUs: nowUs() - this.behindUs } : { method: request.method } });
    });
  }
}

describe('AttachedMember', () => {
  let dir: string;
  let guest: FakeGuest;
  const events: [NodeEvent, number][] = [];
  const attach = (timeoutMs = 5_000): Promise<AttachedMember> => AttachedMember.attach({ name: 'gw1', ssh: guest.ssh, dir, timeoutMs, onEvent: (event, errUs) => events.push([event, errUs]) });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppam-'));
    guest = new FakeGuest();
    events.length = 0;
  });
  afterEach(() => {
    guest.socket?.destroy();
    guest.server?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('waits for a member that starts, measures its clock, shifts it, and asks for the present state', async () => {
    guest.deaf = 2;
    const member = await attach();
    expect(member.info).toEqual({ pid: 42 });
    const shift = guest.requests.find(({ method }) => method === 'setClock')!.params as { harnessMinusOwnUs: number };
    expect(Math.abs(shift.harnessMinusOwnUs - guest.behindUs)).toBeLessThanOrEqual(member.clock.errUs);
    expect(guest.requests.at(-1)!.method).toBe('announce');
    member.close();
    await member.closed;
  });

  it('hands events over with the error of their times, which grows by what the clock was corrected by', async () => {
    const member = await attach();
    guest.send({ kind: 'event', event: { type: 'log', level: 'info', message: 'one', tUs: 1 } });
    guest.behindUs += 5_000;
    const clock = await member.measureClock();
    expect(clock.errUs).toBeGreaterThan(3_000);
    guest.send({ kind: 'event', event: { type: 'log', level: 'info', message: 'two', tUs: 2 } });
    await member.request('anything');
    expect(events.map(([event]) => event.type === 'log' && event.message)).toEqual(['one', 'two']);
    expect(events[1]![1]).toBeGreaterThanOrEqual(clock.errUs);
    expect(events[1]![1]).toBeLessThan(clock.errUs + 1_000);
    member.close();
  });

  it('rejects what the member refuses, and everything once it is gone', async () => {
    const member = await attach();
    await expect(member.request('refuse')).rejects.toThrow('gw1: no');
    guest.socket!.destroy();
    await member.closed;
    expect(member.running).toBe(false);
    await expect(member.request('anything')).rejects.toThrow(/not running/);
  });

  it('gives up a member that never answers, with the end of its log', async () => {
    guest.deaf = Infinity;
    await expect(attach(300)).rejects.toMatchObject({ code: 'MEMBER_SILENT', exitCode: 3, details: ['its last words'] });
  });
});
