import { AddressFamily, cntlidDynamic, discoveryNqn, encodeDiscoveryLog, SubsystemType, TransportType } from '../../nvme/index.js';
import type { DiscoveryEntry } from '../../nvme/index.js';
import type { Listener } from './listener.js';
import type { TargetSettings } from './options.js';
import { Subsystem } from './subsystem.js';

/** TREQ: secure channel not required. */
const treqNotRequired = 2;

/**
 * The discovery service: reachable at every listener, lists every (subsystem, listener) by the address
 * that hosts can reach it at.
 */
export class DiscoveryService {
  readonly subsystem: Subsystem;
  readonly #listeners: () => Iterable<Listener>;
  readonly #asqsz: number;
  #genctr = 0;

  constructor(settings: TargetSettings, listeners: () => Iterable<Listener>) {
    this.#listeners = listeners;
    this.#asqsz = settings.queueEntriesMax;
    // Discovery controllers and I/O controllers belong to different subsystems, so their ids may overlap.
    this.subsystem = new Subsystem('discovery', { nqn: discoveryNqn, serial: 'discovery', cntlidMin: 1, cntlidMax: 0xffef }, settings);
  }

  /** Something that the log tells has changed. */
  changed(): void {
    this.#genctr++;
    for (const controller of this.subsystem.controllers.values()) controller.events.raise('discovery');
  }

  logPage(): Buffer {
    const entries: Partial<DiscoveryEntry>[] = [];
    for (const listener of this.#listeners()) {
      for (const [nqn, advertised] of listener.subsystems) {
        entries.push({
          trtype: TransportType.tcp,
          adrfam: advertised.host.includes(':') ? AddressFamily.ipv6 : AddressFamily.ipv4,
          subtype: SubsystemType.nvm,
          treq: treqNotRequired,
          portid: listener.portId,
          cntlid: cntlidDynamic,
          asqsz: this.#asqsz,
          trsvcid: String(advertised.port),
          subnqn: nqn,
          traddr: advertised.host,
        });
      }
    }
    return encodeDiscoveryLog({ genctr: this.#genctr, entries });
  }
}
