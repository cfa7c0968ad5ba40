import { faultSpecs, type Ability, type FaultName } from '../fault/specs.js';
import type { LabKind } from './types.js';

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
  native: [
    'gateway.kill', 'gateway.stop', 'gateway.power', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor', 'link.host-gateway', 'host.hold-write',
    'cephadm',
  ],
  // As `native`, but for what only our own initiator can do.
  'native-linux': [
    'gateway.kill', 'gateway.stop', 'gateway.power', 'gateway.pause', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor', 'link.host-gateway',
    'cephadm',
  ],
};

/** What the fault needs and the lab lacks; empty: it can be done there. */
export function missingAbilities(fault: FaultName, lab: LabKind): Ability[] {
  return faultSpecs[fault].requires.filter((ability) => !labAbilities[lab].includes(ability));
}
