import { afterEach } from 'vitest';
import { MultipathHost } from '../index.js';
import type { HostEvent, HostOptions } from '../index.js';
import type { FakeNamespace } from './fake-subsystem.js';
import { fakeNamespace, fakeNqn } from './fake-subsystem.js';
import { FakeTarget } from './fake-target.js';
import type { FakeTargetOptions } from './fake-target.js';

/** Timers short enough for a test, long enough for a busy machine. */
export const testOptions: HostOptions = {
  name: 'host1', subNqn: fakeNqn, hostNqn: 'nqn.2026-01.io.pathproof:host1', hostId: '11111111-2222-3333-4444-555555555555',
  katoMs: 0, ioTimeoutMs: 20_000, adminTimeoutMs: 20_000, connectTimeoutMs: 5_000, reconnectDelayMs: 50, ctrlLossTmoMs: -1, pathCooldownMs: 20,
};

export interface Bench { host: MultipathHost; targets: FakeTarget[]; namespaces: FakeNamespace[]; events: HostEvent[] }

const cleanups: (() => Promise<void>)[] = [];

/** Call once per test file: ends what the tests started, newest first. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
}

export async function startTarget(options: FakeTargetOptions): Promise<FakeTarget> {
  const target = await new FakeTarget(options).listen();
  cleanups.push(() => target.kill());
  return target;
}

export function makeHost(targets: readonly FakeTarget[], options: Partial<HostOptions> = {}): { host: MultipathHost; events: HostEvent[] } {
  const host = new MultipathHost({ ...testOptions, ...options });
  const events: HostEvent[] = [];
  host.on((event) => events.push(event));
  targets.forEach((target, i) => host.addController({ gateway: `gw${i + 1}`, host: '127.0.0.1', port: target.port }));
  cleanups.push(() => host.close());
  return { host, events };
}

/** `targetOptions.length` targets with the same namespaces, and a host connected to all of them. */
export async function connected(
  targetOptions: readonly Partial<FakeTargetOptions>[],
  hostOptions: Partial<HostOptions> = {},
  namespaces: FakeNamespace[] = [fakeNamespace(1)],
): Promise<Bench> {
  const targets = await Promise.all(targetOptions.map((o, i) => startTarget({ namespaces, cntlid: 1 + 100 * i, ...o })));
  const { host, events } = makeHost(targets, hostOptions);
  await host.connectAll();
  return { host, targets, namespaces, events };
}

/** Resolves with the first event, past or future, that matches. */
export function eventually<T extends HostEvent['type']>(
  bench: { host: MultipathHost; events: HostEvent[] }, type: T, matches: (event: Extract<HostEvent, { type: T }>) => boolean = () => true,
): Promise<Extract<HostEvent, { type: T }>> {
  const fits = (event: HostEvent): event is Extract<HostEvent, { type: T }> => event.type === type && matches(event as Extract<HostEvent, { type: T }>);
  const found = bench.events.find(fits);
  if (found !== undefined) return Promise.resolve(found);
  return new Promise((resolve) => {
    const stop = bench.host.on((event) => {
      if (!fits(event)) return;
      stop();
      resolve(event);
    });
  });
}

/** Polls until it holds; the test's own timeout bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** A promise and the way to settle it. */
export function gate(): { promise: Promise<void>; open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

export function block(fill: number, bytes = 512): Buffer {
  return Buffer.alloc(bytes, fill);
}
