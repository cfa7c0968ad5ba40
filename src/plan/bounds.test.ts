import { describe, expect, it } from 'vitest';
import { boundMs, confirmTimeoutMs, deriveBounds, emulatedSystemdBootMs, machineBootMs } from './bounds.js';
import { nominalPlatform } from './platform.js';
import { planScenario } from './planner.js';
import type { LabPlatform } from './types.js';

const { shape } = planScenario('lab', { name: 'lab', title: 'lab', description: 'lab.', steps: [{ do: 'run', forMs: 0 }] }, { seed: '1', lab: 'qemu' });

describe('the boot of a machine', () => {
  const qemu = nominalPlatform('qemu');
  const vagrant = nominalPlatform('vagrant');
  const differenceOf = (platform: LabPlatform, name: string): number => boundMs(deriveBounds(shape, platform), name) - boundMs(deriveBounds(shape, qemu), name);

  it('has a longer bound where it is systemd’s, from a disk, under emulation; and so has all that waits for it', () => {
    for (const name of ['homeAwaitBoot', 'convergenceBoot']) expect(differenceOf(vagrant, name)).toBe(emulatedSystemdBootMs - machineBootMs);
    expect(confirmTimeoutMs(shape.timers, vagrant) - confirmTimeoutMs(shape.timers, qemu)).toBe(emulatedSystemdBootMs - machineBootMs);
  });

  it('changes no other bound, and none where the processors are not emulated', () => {
    for (const name of ['homeAwait', 'convergence', 'failoverStall', 'rebootStall']) expect(differenceOf(vagrant, name)).toBe(0);
    const native = (platform: LabPlatform): LabPlatform => ({ ...platform, accel: 'kvm', emulationFactor: 1 });
    expect(deriveBounds(shape, native(vagrant))).toEqual(deriveBounds(shape, native(qemu)));
  });
});
