import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NodeEvent } from '../../history/events.js';
import type { MemberContext, MemberMessage } from '../member/protocol.js';
import { serveMember } from './member.js';

let dir: string;
let path: string;
const harnesses: Socket[] = [];
const signals = process.listeners('SIGTERM');
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pathproof-member-'));
  path = join(dir, 'member.sock');
});
afterEach(() => {
  for (const harness of harnesses.splice(0)) harness.destroy();
  for (const listener of process.listeners('SIGTERM')) if (!signals.includes(listener)) process.removeListener('SIGTERM', listener);
  rmSync(dir, { recursive: true });
});

/** A harness: what it is told, but for the member's reports about its own process. */
async function attach(): Promise<{ told: MemberMessage[]; request: (id: number, method: string) => void; close: () => void }> {
  const socket = connect({ path });
  harnesses.push(socket);
  const told: MemberMessage[] = [];
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line) as MemberMessage;
    if (message.kind !== 'event' || message.event.type !== 'self.watch') told.push(message);
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return { told, request: (id, method) => void socket.write(`${JSON.stringify({ kind: 'request', id, method, params: {} })}\n`), close: () => socket.destroy() };
}

const note = (message: string): Omit<Extract<NodeEvent, { type: 'log' }>, 'tUs'> => ({ type: 'log', level: 'warn', message });
const messages = (told: readonly MemberMessage[]): string[] => told.flatMap((each) => (each.kind === 'event' && each.event.type === 'log' ? [each.event.message] : []));

async function serve(keptEventsMax: number): Promise<{ context: MemberContext; seen: NodeEvent[] }> {
  let context: MemberContext | undefined;
  const seen: NodeEvent[] = [];
  await serveMember({ name: 'gw1', path, keptEventsMax, onEvent: (event) => seen.push(event) }, async (given) => {
    context = given;
    return { info: { pid: 1 }, handlers: { ping: () => 'pong' }, announce: () => given.emit(note('present state')) };
  });
  return { context: context!, seen };
}

it('keeps so many events until a harness says announce, and then sends them before the present state', async () => {
  const { context, seen } = await serve(100);
  context.emit(note('early'));
  const first = await attach();
  context.emit(note('before announce'));
  await expect.poll(() => first.told[0]).toEqual({ kind: 'ready', info: { pid: 1 } });
  first.request(1, 'ping');
  await expect.poll(() => first.told.at(-1)).toEqual({ kind: 'reply', id: 1, result: 'pong' });
  expect(messages(first.told)).toEqual([]);
  first.request(2, 'announce');
  await expect.poll(() => messages(first.told)).toEqual(['early', 'before announce', 'present state']);
  context.emit(note('live'));
  await expect.poll(() => messages(first.told).at(-1)).toBe('live');

  first.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  context.emit(note('alone'));
  const second = await attach();
  second.request(1, 'announce');
  await expect.poll(() => messages(second.told)).toEqual(['alone', 'present state']);
  expect(seen.filter(({ type }) => type === 'log')).toHaveLength(6);
});

it('says how many it did not keep', async () => {
  const { context } = await serve(3);
  for (let i = 0; i < 10; i++) context.emit(note(`event ${i}`));
  const harness = await attach();
  harness.request(1, 'announce');
  await expect.poll(() => messages(harness.told).at(-1)).toBe('present state');
  const told = messages(harness.told);
  expect(told.find((message) => /^gw1: \d+ events before these were not kept$/.test(message))).toBeDefined();
  expect(told).not.toContain('event 0');
});

it('without a place to keep them, events go to whoever is connected and nowhere else', async () => {
  const { context } = await serve(0);
  context.emit(note('lost'));
  const harness = await attach();
  await expect.poll(() => harness.told[0]?.kind).toBe('ready');
  context.emit(note('heard'));
  await expect.poll(() => messages(harness.told)).toEqual(['heard']);
});
