import type { BeaconSubsystem } from '../../monitor/client.js';
import type { GatewayDescription } from '../control.js';

/**
 * The subsystem list of an AVAILABLE beacon. Every gateway lists the namespaces of *all* ANA groups, each
 * with its own store client's address: that is what gets blocklisted when it dies (facts: msgr2.md §10.1).
 * `nonceOf`: the address of the client that does a namespace's I/O.
 */
export function beaconSubsystems(description: GatewayDescription, nonceOf: (nqn: string, nsid: number) => string): BeaconSubsystem[] {
  return description.subsystems.map((subsystem) => ({
    nqn: subsystem.nqn,
    listeners: subsystem.listeners.map(({ advertised }) => ({
      adrfam: advertised.host.includes(':') ? 'IPv6' : 'IPv4',
      traddr: advertised.host,
      trsvcid: String(advertised.port),
    })),
    namespaces: subsystem.namespaces.map(({ nsid, anaGroup }) => ({ anaGroup, nonce: nonceOf(subsystem.nqn, nsid) })),
  }));
}
