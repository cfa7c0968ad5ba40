import { missingAbilities } from './lab-abilities.js';
import type { Scenario } from './scenario.js';
import type { InventoryPlatform, LabKind, LabPlatform } from './types.js';

/** Labs whose host is our own initiator: it has namespaces, but no block devices of the kernel that fio could open. */
const labsWithoutBlockDevices: readonly LabKind[] = ['loopback', 'native'];

/** Whether the lab's host shows namespaces as block devices of its kernel. */
export function hasBlockDevices(lab: LabKind): boolean {
  return !labsWithoutBlockDevices.includes(lab);
}

/** Why a scenario cannot run on a lab, in words; undefined: it can. A skip without a reason does not exist. */
export function skipReason(scenario: Scenario, lab: LabKind, platform?: Pick<LabPlatform, 'inventory'>): string | undefined {
  if (scenario.labs !== undefined && !scenario.labs.includes(lab)) return `made for ${scenario.labs.join(', ')}, not for ${lab}`;
  if (scenario.fio !== undefined && scenario.fioOptional !== true && !hasBlockDevices(lab)) return `it runs fio, which needs a block device of the kernel; the host of the ${lab} lab has none`;
  const inventory = platform?.inventory;
  const unfit = inventory === undefined ? undefined : otherShape(scenario, inventory);
  if (unfit !== undefined) return unfit;
  for (const step of scenario.steps) {
    if (step.do !== 'inject') continue;
    const missing = missingAbilities(step.fault, lab, platform);
    if (missing.length > 0 && inventory !== undefined) return `${step.fault} needs ${missing.map((ability) => `${ability} (${inventory.lacks[ability] ?? 'no inventory can do that'})`).join(', ')}`;
    if (missing.length > 0) return `${step.fault} needs ${missing.join(', ')}, which the ${lab} lab does not have`;
  }
  return undefined;
}

/** The hosts are there or not: a scenario that is made for another number of them cannot run. */
function otherShape({ lab = {} }: Scenario, inventory: InventoryPlatform): string | undefined {
  const there = { gateways: inventory.gateways, hosts: inventory.hosts, namespaces: inventory.namespaces.length, ...(inventory.subsystem === undefined ? {} : { anaGroups: inventory.gateways }) };
  const other = (Object.keys(there) as (keyof typeof there)[]).find((what) => lab[what] !== undefined && lab[what] !== there[what]);
  return other === undefined ? undefined : `made for ${lab[other]} ${other}, the inventory ${inventory.name} has ${there[other]}`;
}
