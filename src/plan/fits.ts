import { missingAbilities } from './lab-abilities.js';
import type { Scenario } from './scenario.js';
import type { LabKind } from './types.js';

/** Labs whose host is our own initiator: it has namespaces, but no block devices of the kernel that fio could open. */
const labsWithoutBlockDevices: readonly LabKind[] = ['loopback', 'native'];

/** Whether the lab's host shows namespaces as block devices of its kernel. */
export function hasBlockDevices(lab: LabKind): boolean {
  return !labsWithoutBlockDevices.includes(lab);
}

/** Why a scenario cannot run on a lab, in words; undefined: it can. A skip without a reason does not exist. */
export function skipReason(scenario: Scenario, lab: LabKind): string | undefined {
  if (scenario.labs !== undefined && !scenario.labs.includes(lab)) return `made for ${scenario.labs.join(', ')}, not for ${lab}`;
  if (scenario.fio !== undefined && scenario.fioOptional !== true && !hasBlockDevices(lab)) return `it runs fio, which needs a block device of the kernel; the host of the ${lab} lab has none`;
  for (const step of scenario.steps) {
    if (step.do !== 'inject') continue;
    const missing = missingAbilities(step.fault, lab);
    if (missing.length > 0) return `${step.fault} needs ${missing.join(', ')}, which the ${lab} lab does not have`;
  }
  return undefined;
}
