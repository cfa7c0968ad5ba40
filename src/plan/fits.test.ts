import { describe, expect, it } from 'vitest';
import heldWrites from '../../suites/nightly.suite.js';
import smoke from '../../suites/smoke.suite.js';
import { faultNames } from '../fault/specs.js';
import { skipReason } from './fits.js';
import { missingAbilities } from './lab-abilities.js';
import type { Scenario } from './scenario.js';
import { labKinds } from './types.js';

const scenario: Scenario = { name: 'one', title: 'One', description: 'do nothing.', steps: [{ do: 'run', forMs: 1_000 }] };

describe('skipReason', () => {
  it('has none for what a lab can do', () => {
    for (const each of smoke.scenarios) expect(skipReason(each, 'loopback')).toBeUndefined();
    for (const each of heldWrites.scenarios) expect(skipReason(each, 'loopback')).toBeUndefined();
    expect(skipReason(scenario, 'qemu')).toBeUndefined();
  });

  it('names the lab that a scenario was made for', () => {
    expect(skipReason({ ...scenario, labs: ['qemu'] }, 'loopback')).toBe('made for qemu, not for loopback');
  });

  it('names the ability that a fault needs and the lab lacks', () => {
    const off: Scenario = { ...scenario, steps: [{ do: 'inject', id: 'off', fault: 'gateway.power-off', target: 'gw1' }] };
    expect(skipReason(off, 'loopback')).toBe('gateway.power-off needs gateway.power, which the loopback lab does not have');
    expect(skipReason(off, 'qemu')).toBeUndefined();
  });

  it('says that fio needs a block device', () => {
    expect(skipReason({ ...scenario, fio: [{ name: 'mix' }] }, 'loopback')).toMatch(/needs a block device of the kernel/);
    expect(skipReason({ ...scenario, fio: [{ name: 'mix' }] }, 'qemu')).toBeUndefined();
    expect(skipReason({ ...scenario, fio: [{ name: 'mix' }], fioOptional: true }, 'loopback')).toBeUndefined();
  });
});

describe('missingAbilities', () => {
  it('knows no fault that no lab can do', () => {
    for (const fault of faultNames) expect(labKinds.some((lab) => missingAbilities(fault, lab).length === 0), fault).toBe(true);
  });
});
