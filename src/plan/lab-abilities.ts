import { faultSpecs, type Ability, type FaultName } from '../fault/specs.js';
import type { LabKind } from './types.js';

/** What can be done to gateways that cephadm has deployed on native hosts, whoever the initiator is. */
const cephadmAbilities: readonly Ability[] = [
  'gateway.kill', 'gateway.stop', 'gateway.power', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor',
  'link.host-gateway', 'cephadm',
];

/** What each lab can do to the system under test. A plan asks before a lab is up; the labs themselves say nothing else. */
export const labAbilities: Readonly<Record<LabKind, readonly Ability[]>> = {
  loopback: [
    'gateway.kill', 'gateway.stop', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor',
    'link.host-gateway', 'host.hold-write', 'store.hold',
  ],
  qemu: ['gateway.kill', 'gateway.stop', 'gateway.power', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor'],
  native: [...cephadmAbilities, 'host.hold-write'],
  // Its hosts are not our own initiator.
  'native-linux': cephadmAbilities,
};

/** What the fault needs and the lab lacks; empty: it can be done there. */
export function missingAbilities(fault: FaultName, lab: LabKind): Ability[] {
  return faultSpecs[fault].requires.filter((ability) => !labAbilities[lab].includes(ability));
}
