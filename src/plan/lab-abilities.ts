import { faultSpecs, type Ability, type FaultName } from '../fault/specs.js';
import type { LabKind, LabPlatform } from './types.js';

/** What can be done to gateways that cephadm has deployed on native hosts, whoever the initiator is. */
const cephadmAbilities: readonly Ability[] = [
  'gateway.kill', 'gateway.stop', 'gateway.power', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor',
  'link.host-gateway', 'cephadm',
];

/** Virtual machines with the kernel's target. */
const machineAbilities: readonly Ability[] = ['gateway.kill', 'gateway.stop', 'gateway.power', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor'];

/** What each lab can do to the system under test. A plan asks before a lab is up; the labs themselves say nothing else. */
export const labAbilities: Readonly<Record<LabKind, readonly Ability[]>> = {
  loopback: [
    'gateway.kill', 'gateway.stop', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor',
    'link.host-gateway', 'host.hold-write', 'store.hold',
  ],
  qemu: machineAbilities,
  vagrant: machineAbilities,
  native: [...cephadmAbilities, 'host.hold-write'],
  // Its hosts are not our own initiator.
  'native-linux': cephadmAbilities,
  // Only what its file allows.
  inventory: [],
};

/** What can be done to a lab of this kind, and of this platform. */
export function abilitiesOf(lab: LabKind, platform?: Pick<LabPlatform, 'inventory'>): readonly Ability[] {
  return platform?.inventory?.abilities ?? labAbilities[lab];
}

/** What the fault needs and the lab lacks; empty: it can be done there. */
export function missingAbilities(fault: FaultName, lab: LabKind, platform?: Pick<LabPlatform, 'inventory'>): Ability[] {
  const abilities = abilitiesOf(lab, platform);
  return faultSpecs[fault].requires.filter((ability) => !abilities.includes(ability));
}
