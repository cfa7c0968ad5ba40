import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../util/clock.js';
import { cpuWorkUs } from '../util/cpu-speed.js';
import { infraError } from '../util/errors.js';
import type { AttachedMember } from './guest/attached-member.js';
import type { ProviderProgress } from './provider.js';
import { findLabs, type Leftover } from './registry.js';

/** In the folder of a lab of machines that outlives a command: the key of its design. */
export const designKeyFile = 'design.key';
const servingPollMs = 200;

/** Does a step of the whole lab and says how long it took. */
export async function timed<T>(progress: ProviderProgress, step: string, work: () => Promise<T>): Promise<T> {
  const fromMs = performance.now();
  const result = await work();
  progress('', `${step} (${((performance.now() - fromMs) / 1_000).toFixed(1)} s)`);
  return result;
}

/** Rejects with an infra error once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void => reject(infraError('INTERRUPTED', 'interrupted while the machines came up'));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}

/** Resolves when a gateway's program serves; an infra error after `maxMs`. */
export async function untilServing(member: AttachedMember, maxMs: number): Promise<void> {
  const deadline = Date.now() + maxMs;
  for (;;) {
    const { serving } = await member.request<{ serving: boolean }>('state');
    if (serving) return;
    if (Date.now() >= deadline) throw infraError('GATEWAY_START', `${member.name} does not serve within ${maxMs / 1_000} s`, { hint: 'is it known to the monitor? See its log' });
    await sleep(servingPollMs);
  }
}

let nativeWorkUs: number | undefined;

/** How much slower a guest's processor is than this machine's, both measured; at least 1, to one decimal. */
export async function guestSlowness(member: AttachedMember): Promise<number> {
  nativeWorkUs ??= cpuWorkUs();
  const { us } = await member.request<{ us: number }>('cpuWork');
  return Math.max(1, Math.round((us / nativeWorkUs) * 10) / 10);
}

/** A lab of this kind and design that an earlier command has left up. */
export function keptLab(lab: string, key: string): Leftover | undefined {
  return findLabs().find(({ record, alive, harnessAlive }) => {
    if (record.lab !== lab || !record.kept || harnessAlive || alive.length === 0) return false;
    try {
      return readFileSync(join(record.runDir, designKeyFile), 'utf8') === key;
    } catch {
      return false;
    }
  });
}
