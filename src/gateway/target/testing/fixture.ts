import { afterEach } from 'vitest';
import type { ControlAnaState, SocketAddress } from '../../control.js';
import type { NvmeTcpTargetOptions, TargetEvent } from '../options.js';
import { NvmeTcpTarget } from '../target.js';
import { MemoryBackend } from './memory-backend.js';
import { RawHost } from './raw-host.js';
import type { RawHostOptions } from './raw-host.js';

export const nqn = 'nqn.2026-01.io.example:test';
export const uuidOf = (nsid: number): string => `00000000-0000-4000-8000-${String(nsid).padStart(12, '0')}`;
export const nguidOf = (nsid: number): string => String(nsid).padStart(32, '0');

export interface Fixture {
  target: NvmeTcpTarget;
  address: SocketAddress;
  /** By nsid. Namespaces 1 and 2 are in ANA groups 1 and 2, 1024 blocks of 512 bytes each. */
  backends: Record<number, MemoryBackend>;
  events: TargetEvent[];
  host: (o?: Partial<RawHostOptions>) => Promise<RawHost>;
}

const targets: NvmeTcpTarget[] = [];

/** A target with one subsystem, closed after the test. Both groups are in `state`. */
export async function fixture(o: NvmeTcpTargetOptions = {}, state: ControlAnaState = 'optimized'): Promise<Fixture> {
  const events: TargetEvent[] = [];
  const target = new NvmeTcpTarget({ onEvent: (event) => events.push(event), ...o });
  targets.push(target);
  target.addSubsystem({ nqn, serial: 'PP0001', cntlidMin: 1, cntlidMax: 2040 });
  const backends: Record<number, MemoryBackend> = {};
  for (const nsid of [1, 2]) {
    const backend = (backends[nsid] = new MemoryBackend(1024));
    target.addNamespace(nqn, { nsid, uuid: uuidOf(nsid), nguid: nguidOf(nsid), anaGroup: nsid, backend });
    await target.setAnaState(nqn, nsid, state);
  }
  const address = await target.addListener(nqn, { host: '127.0.0.1', port: 0 });
  return { target, address, backends, events, host: (options = {}) => RawHost.connect(address, { subNqn: nqn, ...options }) };
}

/** Registers a target that a test made itself. */
export function closeLater(target: NvmeTcpTarget): NvmeTcpTarget {
  targets.push(target);
  return target;
}

afterEach(async () => {
  await Promise.all(targets.splice(0).map((target) => target.close()));
});

/** A deterministic pattern. */
export function pattern(bytes: number, seed = 1): Buffer {
  const out = Buffer.allocUnsafe(bytes);
  for (let i = 0, x = seed; i < bytes; i++) {
    x = (x * 1103515245 + 12345) >>> 0;
    out[i] = x >>> 16;
  }
  return out;
}
