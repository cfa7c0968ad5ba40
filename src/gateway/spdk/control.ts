import { sleep } from '../../util/clock.js';
import { infraError, PathproofError } from '../../util/errors.js';
import { addressKey, anaStatesByAccess, cntlidRange, modelNumber } from '../control.js';
import type { ControlAnaState, ControlListener, ControlNamespace, ControlSubsystem, GatewayControl, GatewayDescription, SocketAddress, SubsystemDescription } from '../control.js';
import type { JsonRpcClient } from './json-rpc.js';

/** Between two looks of SPDK at a bdev's queue while a group is drained, microseconds. */
const samplePeriodUs = 5_000;
/** After this long SPDK has looked at least once, and so often is its finding asked for, milliseconds. */
const drainLookMs = 15;
/** Looks in a row that have to find nothing under way. */
const drainLooks = 2;

interface Subsystem {
  namespaces: Map<number, { anaGroup: number; bdev: string }>;
  /** As last set; a group that is not in it is inaccessible. */
  ana: Map<number, ControlAnaState>;
  listeners: ControlListener[];
  advertised: Map<string, SocketAddress>;
}

/** Who may get in, and the namespaces: what SPDK says of one subsystem. */
export type SpdkAccess = Pick<SubsystemDescription, 'listeners' | 'namespaces' | 'ana'>;

export interface SpdkControlOptions {
  /** For what changes something, in order. */
  orders: Pick<JsonRpcClient, 'call'>;
  /** For what only looks: an order that SPDK cannot carry out yet may not keep it from being asked. */
  looks: Pick<JsonRpcClient, 'call'>;
  /** The bdev that an image is open as. */
  bdevOf: (image: string) => Promise<string>;
  /** Largest namespace id and ANA group of its subsystems. SPDK has an ANA state for each of so many groups. */
  maxNamespaces: number;
}

interface ListenAddress { trtype: string; adrfam: string; traddr: string; trsvcid: string }

/** What `nvmf_get_subsystems` says of one subsystem, as far as it is used here. */
interface SaidSubsystem { nqn: string; subtype: string; namespaces?: { nsid: number; uuid?: string; anagrpid?: number }[] }
interface SaidListener { address: ListenAddress; ana_states?: { ana_group: number; ana_state: string }[] }

/**
 * The `spdk` driver: GatewayControl over SPDK's target (lib/nvmf), by the JSON-RPC calls of its scripts/rpc.py (lib/nvmf/nvmf_rpc.c).
 *
 * ANA states belong to a listener of a subsystem there; a group has the same one at each of them. What it describes is what SPDK
 * says at that moment, never what was asked for.
 */
export class SpdkControl implements GatewayControl {
  readonly #o: SpdkControlOptions;
  readonly #subsystems = new Map<string, Subsystem>();
  /** Ends the wait for an ANA group that is drained no longer, because it was opened again. Key: NQN and group. */
  readonly #drains = new Map<string, AbortController>();
  /** Waits under way, by the same key: the last one ends the sampling. */
  readonly #waiting = new Map<string, number>();

  constructor(options: SpdkControlOptions) {
    this.#o = options;
  }

  async describe(): Promise<GatewayDescription> {
    const all = await this.#o.looks.call<SaidSubsystem[]>('nvmf_get_subsystems');
    const subsystems: SubsystemDescription[] = [];
    for (const said of all.filter(({ subtype }) => subtype === 'NVMe')) subsystems.push({ nqn: said.nqn, ...await this.#accessOf(said) });
    return { driver: 'spdk', subsystems };
  }

  /** Undefined: SPDK has no such subsystem. */
  async access(nqn: string): Promise<SpdkAccess | undefined> {
    const said = (await this.#o.looks.call<SaidSubsystem[]>('nvmf_get_subsystems')).find((each) => each.nqn === nqn);
    return said === undefined ? undefined : this.#accessOf(said);
  }

  async addSubsystem({ nqn, serial, groupIndex, hosts }: ControlSubsystem): Promise<void> {
    const { min, max } = cntlidRange(groupIndex);
    await this.#o.orders.call('nvmf_create_subsystem', {
      nqn, serial_number: serial, model_number: modelNumber, max_namespaces: this.#o.maxNamespaces, ana_reporting: true, min_cntlid: min, max_cntlid: max, allow_any_host: hosts === undefined,
    });
    this.#subsystems.set(nqn, { namespaces: new Map(), ana: new Map(), listeners: [], advertised: new Map() });
    for (const host of hosts ?? []) await this.#o.orders.call('nvmf_subsystem_add_host', { nqn, host });
  }

  async removeSubsystem(nqn: string): Promise<void> {
    this.#subsystem(nqn);
    this.#subsystems.delete(nqn);
    await this.#o.orders.call('nvmf_delete_subsystem', { nqn });
  }

  async addNamespace(nqn: string, { nsid, uuid, nguid, anaGroup, image }: ControlNamespace): Promise<void> {
    const { namespaces } = this.#subsystem(nqn);
    const bdev = await this.#o.bdevOf(image);
    await this.#o.orders.call('nvmf_subsystem_add_ns', { nqn, namespace: { nsid, bdev_name: bdev, uuid, nguid: nguid.toUpperCase(), anagrpid: anaGroup } });
    namespaces.set(nsid, { anaGroup, bdev });
  }

  /** Waits for I/O under way, however long the storage takes. */
  async removeNamespace(nqn: string, nsid: number): Promise<void> {
    const { namespaces } = this.#subsystem(nqn);
    namespaces.delete(nsid);
    await this.#o.orders.call('nvmf_subsystem_remove_ns', { nqn, nsid });
  }

  /**
   * Rejects with SPDK_ANA where a new listener is optimized in every group: SPDK before it had `ana_state` of nvmf_subsystem_add_listener
   * (SPDK issue 3154). Hosts could write through it before anybody had said that they may.
   */
  async addListener(nqn: string, listener: ControlListener): Promise<SocketAddress> {
    const subsystem = this.#subsystem(nqn);
    const { host, port, advertised } = listener;
    if (port === 0) throw new RangeError('SPDK does not choose ports by itself');
    const address = addressOf(listener);
    await this.#o.orders.call('nvmf_subsystem_add_listener', { nqn, listen_address: address, ana_state: 'inaccessible' });
    const opened = (await this.#listenersOf(nqn)).find((each) => sameAddress(each.address, address));
    if (opened?.ana_states?.every(({ ana_state: state }) => state === 'inaccessible') !== true) {
      await this.#o.orders.call('nvmf_subsystem_remove_listener', { nqn, listen_address: address });
      throw infraError('SPDK_ANA', 'this SPDK opens a listener optimized in every ANA group', { hint: 'one is wanted whose rpc.py nvmf_subsystem_add_listener has --ana-state' });
    }
    // From now on each change of a state is for this listener, too; those from before are made up for, as they are now.
    subsystem.listeners.push({ host, port });
    for (const [group, state] of subsystem.ana) if (state !== 'inaccessible') await this.#setAt(nqn, address, group, state);
    if (advertised !== undefined) subsystem.advertised.set(addressKey(listener), advertised);
    return { host, port };
  }

  async removeListener(nqn: string, address: SocketAddress): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    subsystem.listeners = subsystem.listeners.filter((each) => addressKey(each) !== addressKey(address));
    await this.#o.orders.call('nvmf_subsystem_remove_listener', { nqn, listen_address: addressOf(address) });
  }

  async setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    if (state === 'change' || state === 'persistent-loss') throw new PathproofError('SPDK', `SPDK has no ANA state ${state}`);
    const nqns = nqn === null ? [...this.#subsystems.keys()] : [nqn];
    await Promise.all(nqns.map(async (each) => {
      const subsystem = this.#subsystem(each);
      // Whoever takes everything away names groups that nobody has ever heard of.
      if (state === 'inaccessible' && !groupsOf(subsystem).has(group)) return;
      subsystem.ana.set(group, state);
      const key = `${each} ${group}`;
      const stop = this.#drain(key);
      // Asked for in this very turn, so that the orders are in the order of the calls.
      await Promise.all(subsystem.listeners.map((listener) => this.#setAt(each, addressOf(listener), group, state)));
      if (state === 'inaccessible') await this.#whenDrained(key, [...subsystem.namespaces.values()].filter(({ anaGroup }) => anaGroup === group).map(({ bdev }) => bdev), stop);
    }));
  }

  async #setAt(nqn: string, address: ListenAddress, group: number, state: ControlAnaState): Promise<void> {
    await this.#o.orders.call('nvmf_subsystem_listener_set_ana_state', { nqn, listen_address: address, ana_state: state.replace('-', '_'), anagrpid: group });
  }

  /** The newest state of a group is the one whose end is waited for. */
  #drain(key: string): AbortSignal {
    this.#drains.get(key)?.abort();
    const stop = new AbortController();
    this.#drains.set(key, stop);
    return stop.signal;
  }

  /**
   * Resolves when none of the bdevs has I/O under way, or `stop` is aborted. SPDK has no call that waits for it without holding back
   * the orders behind it, so its own sampling of the queues is looked at (bdev_set_qd_sampling_period): twice, each long enough after the
   * last change for a new sample.
   */
  async #whenDrained(key: string, bdevs: readonly string[], stop: AbortSignal): Promise<void> {
    if (bdevs.length === 0 || stop.aborted) return;
    const period = (us: number): Promise<unknown> => Promise.all(bdevs.map((name) => this.#o.looks.call('bdev_set_qd_sampling_period', { name, period: us })));
    this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1);
    try {
      await period(samplePeriodUs);
      for (let idle = 0; idle < drainLooks;) {
        await sleep(drainLookMs, stop);
        if (stop.aborted) return;
        const depths: number[] = [];
        for (const name of bdevs) depths.push(await this.#queueDepth(name));
        idle = depths.every((depth) => depth === 0) ? idle + 1 : 0;
      }
    } finally {
      const others = this.#waiting.get(key)! - 1;
      this.#waiting.set(key, others);
      if (others === 0) await period(0).catch(() => undefined);
    }
  }

  async #queueDepth(name: string): Promise<number> {
    // Of all: SPDK 26.05 names them otherwise than those before it.
    const { bdevs } = await this.#o.looks.call<{ bdevs: { name: string; queue_depth?: number }[] }>('bdev_get_iostat');
    // Not sampled yet: nothing is known.
    return bdevs.find((bdev) => bdev.name === name)?.queue_depth ?? Number.POSITIVE_INFINITY;
  }

  async #accessOf({ nqn, namespaces = [] }: SaidSubsystem): Promise<SpdkAccess> {
    const listeners = await this.#listenersOf(nqn);
    const groups = new Set([...namespaces.map(({ anagrpid = 1 }) => anagrpid), ...groupsOf(this.#subsystems.get(nqn))]);
    const advertised = this.#subsystems.get(nqn)?.advertised;
    return {
      listeners: listeners.map(({ address: { traddr, trsvcid } }) => {
        const bound = { host: traddr, port: Number(trsvcid) };
        return { bound, advertised: advertised?.get(addressKey(bound)) ?? bound };
      }),
      namespaces: namespaces.map(({ nsid, uuid = '', anagrpid = 1 }) => ({ nsid, uuid, anaGroup: anagrpid })),
      // Where listeners disagree, what a host can get through one of them counts.
      ana: Object.fromEntries([...groups].sort((a, b) => a - b).map((group) => [group, anaStatesByAccess[Math.min(...listeners.map((listener) => anaStatesByAccess.indexOf(stateAt(listener, group))))] ?? 'inaccessible'])),
    };
  }

  /** Rejects where SPDK has no such subsystem. */
  #listenersOf(nqn: string): Promise<SaidListener[]> {
    return this.#o.looks.call<SaidListener[]>('nvmf_subsystem_get_listeners', { nqn });
  }

  #subsystem(nqn: string): Subsystem {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) throw new RangeError(`no subsystem ${nqn} was added`);
    return subsystem;
  }
}

function addressOf({ host, port }: SocketAddress): ListenAddress {
  return { trtype: 'TCP', adrfam: host.includes(':') ? 'IPv6' : 'IPv4', traddr: host, trsvcid: String(port) };
}

function sameAddress(a: ListenAddress, b: ListenAddress): boolean {
  return a.traddr === b.traddr && a.trsvcid === b.trsvcid;
}

function stateAt({ ana_states: states = [] }: SaidListener, group: number): ControlAnaState {
  const said = states.find((each) => each.ana_group === group)?.ana_state.replace('_', '-');
  return anaStatesByAccess.find((each) => each === said) ?? 'inaccessible';
}

function groupsOf(subsystem: Subsystem | undefined): Set<number> {
  return new Set(subsystem === undefined ? [] : [...[...subsystem.namespaces.values()].map(({ anaGroup }) => anaGroup), ...subsystem.ana.keys()]);
}
