import { PathproofError } from '../../util/errors.js';
import { addressKey, anaStatesByAccess, cntlidRange, modelNumber } from '../control.js';
import type {
  ControlAnaState, ControlListener, ControlNamespace, ControlSubsystem, GatewayControl, GatewayDescription, SocketAddress, SubsystemDescription,
} from '../control.js';
import { ConfigFs } from './configfs.js';
import type { NamespaceDevice, OpenDevice } from './device.js';
import { whenDrained } from './drain.js';
import { NvmetPort } from './port.js';

/** Longest wait for I/O that keeps a namespace from being removed, milliseconds. */
const removeLimitDefaultMs = 10_000;

interface Subsystem {
  /** Key: namespace id. */
  namespaces: Map<number, { anaGroup: number; device: NamespaceDevice }>;
  /** As last set; a group that is not in it is inaccessible. */
  ana: Map<number, ControlAnaState>;
  advertised: Map<string, SocketAddress>;
}

export interface NvmetAccess extends Pick<SubsystemDescription, 'listeners' | 'ana'> {
  /** How many are enabled. */
  namespaces: number;
}

export interface NvmetControlOptions {
  openDevice: OpenDevice;
  /** Default: the kernel's tree. */
  fs?: ConfigFs;
  /** Why the storage below cannot be relied on any more; a gateway then describes itself no longer. Default: it always can. */
  failure?: () => string | undefined;
  /** How long `removeNamespace` and `removeSubsystem` wait for I/O under way, milliseconds. Default 10 s. */
  removeLimitMs?: number;
}

/**
 * The `nvmet` driver: GatewayControl over the Linux kernel's target (drivers/nvme/target), by configfs.
 *
 * There is one port for each address, and a subsystem is linked to it once for each listener. ANA states
 * belong to ports, not to subsystems: where two subsystems share a port, a group is optimized only if it
 * is to be so in both.
 *
 * What it describes is what the kernel says at that moment, never what was asked for: a write that was
 * lost, or undone by somebody else, shows.
 */
export class NvmetControl implements GatewayControl {
  readonly #fs: ConfigFs;
  readonly #openDevice: OpenDevice;
  readonly #failure: () => string | undefined;
  readonly #removeLimitMs: number;
  readonly #subsystems = new Map<string, Subsystem>();
  /** By their folder's name. */
  readonly #ports = new Map<string, NvmetPort>();
  /** Ends the waits for an ANA group that is drained no longer, because it was opened again. Key: NQN and group. */
  readonly #drains = new Map<string, AbortController>();

  constructor({ openDevice, fs = new ConfigFs(), failure = () => undefined, removeLimitMs = removeLimitDefaultMs }: NvmetControlOptions) {
    this.#fs = fs;
    this.#openDevice = openDevice;
    this.#failure = failure;
    this.#removeLimitMs = removeLimitMs;
  }

  async describe(): Promise<GatewayDescription> {
    const failure = this.#failure();
    if (failure !== undefined) throw new PathproofError('NVMET_STORAGE', failure);
    // An empty tree and one that is not there are different things.
    if (!this.#fs.exists('subsystems')) throw new PathproofError('NVMET', `there is no ${this.#fs.path('subsystems')}`, { hint: 'is nvmet loaded, and configfs mounted on /sys/kernel/config?' });
    return {
      driver: 'nvmet',
      subsystems: this.#fs.list('subsystems').map((nqn) => {
        const namespaces = this.#namespaces(nqn);
        const { listeners, ana } = this.access(nqn, namespaces.map(({ anaGroup }) => anaGroup));
        return { nqn, listeners, namespaces, ana };
      }),
    };
  }

  /**
   * Who may get in at this moment, read with few enough system calls to be asked ten times a second. `ana` has
   * these groups, and all that a port has.
   */
  access(nqn: string, groups: readonly number[]): NvmetAccess {
    const advertised = this.#subsystems.get(nqn)?.advertised;
    const ports = this.#allPorts().filter((port) => port.serves(nqn));
    const all = new Set([...groups, ...ports.flatMap((port) => port.groups)]);
    return {
      listeners: ports.map(({ address }) => ({ bound: address, advertised: advertised?.get(addressKey(address)) ?? address })),
      // Where ports disagree, what a host can get through one of them counts.
      ana: Object.fromEntries([...all].map((group) => [group, anaStatesByAccess[Math.min(...ports.map((port) => anaStatesByAccess.indexOf(port.ana(group))))] ?? 'inaccessible'])),
      namespaces: this.#enabled(nqn).length,
    };
  }

  async addSubsystem({ nqn, serial, groupIndex, hosts }: ControlSubsystem): Promise<void> {
    if (hosts !== undefined) throw new PathproofError('NVMET', `${nqn}: this driver lets any host in`);
    // Left behind by an incarnation that is not gone yet: to share it would be to share its client.
    if (this.#fs.exists('subsystems', nqn)) throw new PathproofError('NVMET_EXISTS', `the kernel has the subsystem ${nqn} already`, { hint: 'an earlier gateway has not been cleaned up' });
    const { min, max } = cntlidRange(groupIndex);
    this.#fs.makeFolder('subsystems', nqn);
    this.#fs.write(max, 'subsystems', nqn, 'attr_cntlid_max');
    this.#fs.write(min, 'subsystems', nqn, 'attr_cntlid_min');
    this.#fs.write(serial, 'subsystems', nqn, 'attr_serial');
    this.#fs.write(modelNumber, 'subsystems', nqn, 'attr_model');
    this.#fs.write(1, 'subsystems', nqn, 'attr_allow_any_host');
    this.#subsystems.set(nqn, { namespaces: new Map(), ana: new Map(), advertised: new Map() });
  }

  async removeSubsystem(nqn: string): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    for (const port of this.#allPorts()) port.unlink(nqn);
    await Promise.all([...subsystem.namespaces.keys()].map((nsid) => this.removeNamespace(nqn, nsid)));
    await this.#fs.removeBlocking(this.#removeLimitMs, 'subsystems', nqn);
    this.#subsystems.delete(nqn);
  }

  async addNamespace(nqn: string, { nsid, uuid, nguid, anaGroup, image }: ControlNamespace): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    const device = await this.#openDevice(image);
    const at = ['subsystems', nqn, 'namespaces', String(nsid)];
    this.#fs.makeFolder(...at);
    this.#fs.write(device.path, ...at, 'device_path');
    this.#fs.write(uuid, ...at, 'device_uuid');
    this.#fs.write(nguid, ...at, 'device_nguid');
    this.#fs.write(anaGroup, ...at, 'ana_grpid');
    this.#fs.write(1, ...at, 'enable');
    subsystem.namespaces.set(nsid, { anaGroup, device });
    for (const port of this.#allPorts()) if (port.serves(nqn)) port.ensureGroup(anaGroup);
  }

  /** Rejects with NVMET_BUSY if I/O is under way for longer than the limit; the kernel then removes it when that ends. */
  async removeNamespace(nqn: string, nsid: number): Promise<void> {
    const { namespaces } = this.#subsystem(nqn);
    namespaces.delete(nsid);
    await this.#fs.removeBlocking(this.#removeLimitMs, 'subsystems', nqn, 'namespaces', String(nsid));
  }

  async addListener(nqn: string, { host, port: number, advertised }: ControlListener): Promise<SocketAddress> {
    const subsystem = this.#subsystem(nqn);
    const address = { host, port: number };
    if (number === 0) throw new RangeError('the kernel target does not choose ports by itself');
    const port = this.#allPorts().find((other) => other.at(address)) ?? NvmetPort.make(this.#fs, address);
    if (advertised !== undefined) subsystem.advertised.set(addressKey(address), advertised);
    if (port.serves(nqn)) return address;
    // A host that gets in must find every group, in the state that it is to have.
    for (const { anaGroup } of subsystem.namespaces.values()) port.ensureGroup(anaGroup);
    for (const group of new Set([...port.groups, ...groupsOf(subsystem)])) port.setAna(group, this.#wantedAt([...port.subsystems, nqn], group));
    port.link(nqn);
    return address;
  }

  async removeListener(nqn: string, address: SocketAddress): Promise<void> {
    // The port's folder stays: to remove it is to wait for the I/O of the connections that have just been shut.
    for (const port of this.#allPorts()) if (port.at(address)) port.unlink(nqn);
  }

  async setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    const nqns = nqn === null ? [...this.#subsystems.keys()] : [nqn];
    // Whoever takes everything away names groups that nobody has ever heard of.
    if (state === 'inaccessible' && !nqns.some((each) => groupsOf(this.#subsystem(each)).has(group))) return;
    for (const each of nqns) this.#subsystem(each).ana.set(group, state);
    for (const port of this.#allPorts()) {
      const served = port.subsystems;
      if (served.some((other) => nqns.includes(other))) port.setAna(group, this.#wantedAt(served, group));
    }
    await Promise.all(nqns.map((each) => this.#whenDrained(each, group, state)));
  }

  /** What subsystems that share a port get is the least that one of them may. One that this object did not make has no say. */
  #wantedAt(nqns: readonly string[], group: number): ControlAnaState {
    const ranks = nqns.flatMap((nqn) => {
      const subsystem = this.#subsystems.get(nqn);
      return subsystem === undefined ? [] : [anaStatesByAccess.indexOf(subsystem.ana.get(group) ?? 'inaccessible')];
    });
    return anaStatesByAccess[Math.max(...ranks)] ?? 'inaccessible';
  }

  async #whenDrained(nqn: string, group: number, state: ControlAnaState): Promise<void> {
    const key = `${nqn} ${group}`;
    this.#drains.get(key)?.abort();
    this.#drains.delete(key);
    if (state === 'optimized' || state === 'non-optimized') return;
    const stop = new AbortController();
    this.#drains.set(key, stop);
    const { namespaces } = this.#subsystem(nqn);
    await whenDrained([...namespaces.values()].filter(({ anaGroup }) => anaGroup === group).map(({ device }) => device), stop.signal);
  }

  #namespaces(nqn: string): SubsystemDescription['namespaces'] {
    return this.#enabled(nqn).map((nsid) => ({
      nsid: Number(nsid),
      uuid: this.#fs.read('subsystems', nqn, 'namespaces', nsid, 'device_uuid'),
      anaGroup: Number(this.#fs.read('subsystems', nqn, 'namespaces', nsid, 'ana_grpid')),
    }));
  }

  #enabled(nqn: string): string[] {
    return this.#fs.list('subsystems', nqn, 'namespaces').filter((nsid) => this.#fs.read('subsystems', nqn, 'namespaces', nsid, 'enable') === '1');
  }

  #allPorts(): NvmetPort[] {
    return this.#fs.list('ports').map((id) => {
      const port = this.#ports.get(id) ?? new NvmetPort(this.#fs, id);
      this.#ports.set(id, port);
      return port;
    });
  }

  #subsystem(nqn: string): Subsystem {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) throw new RangeError(`no subsystem ${nqn} was added`);
    return subsystem;
  }
}

function groupsOf({ namespaces, ana }: Subsystem): Set<number> {
  return new Set([...[...namespaces.values()].map(({ anaGroup }) => anaGroup), ...ana.keys()]);
}
