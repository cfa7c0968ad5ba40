import type { ControlAnaState, SocketAddress } from '../control.js';
import type { ConfigFs } from './configfs.js';

/** An ANA group with this number is in every port, and is born *optimized* (nvmet_ports_make). */
const defaultAnaGroup = 1;

/** One listening address of the kernel's target: /sys/kernel/config/nvmet/ports/ID. What it says, it reads from there. */
export class NvmetPort {
  readonly id: string;
  readonly #fs: ConfigFs;
  #address: SocketAddress | undefined;

  constructor(fs: ConfigFs, id: string) {
    this.#fs = fs;
    this.id = id;
  }

  /** A new port, which does not listen before a subsystem is linked to it. Every ANA group in it is inaccessible. */
  static make(fs: ConfigFs, { host, port }: SocketAddress): NvmetPort {
    const taken = new Set(fs.list('ports'));
    let id = 1;
    while (taken.has(String(id))) id++;
    const made = new NvmetPort(fs, String(id));
    fs.makeFolder('ports', made.id);
    fs.write('tcp', 'ports', made.id, 'addr_trtype');
    fs.write(host.includes(':') ? 'ipv6' : 'ipv4', 'ports', made.id, 'addr_adrfam');
    fs.write(host, 'ports', made.id, 'addr_traddr');
    fs.write(port, 'ports', made.id, 'addr_trsvcid');
    // Optimized for whoever asks if it were left as it is: SPDK issue 3154 in another coat.
    made.setAna(defaultAnaGroup, 'inaccessible');
    return made;
  }

  /** Read once: a port that listens cannot get another one (nvmet_is_port_enabled). */
  get address(): SocketAddress {
    this.#address ??= { host: this.#fs.read('ports', this.id, 'addr_traddr'), port: Number(this.#fs.read('ports', this.id, 'addr_trsvcid')) };
    return this.#address;
  }

  at({ host, port }: SocketAddress): boolean {
    return this.address.host === host && this.address.port === port;
  }

  /** The groups that it has a state for. */
  get groups(): number[] {
    return this.#fs.list('ports', this.id, 'ana_groups').map(Number);
  }

  /** The state of a group. One that has no folder cannot be reached. */
  ana(group: number): ControlAnaState {
    return (this.#fs.readIfThere('ports', this.id, 'ana_groups', String(group), 'ana_state') ?? 'inaccessible') as ControlAnaState;
  }

  /** Takes effect for commands that come from now on, and tells the hosts, unless the group has that state already. */
  setAna(group: number, state: ControlAnaState): void {
    if (this.ana(group) === state) return;
    this.ensureGroup(group);
    this.#fs.write(state, 'ports', this.id, 'ana_groups', String(group), 'ana_state');
  }

  /** A group that was not there is inaccessible (nvmet_ports_make). */
  ensureGroup(group: number): void {
    this.#fs.makeFolder('ports', this.id, 'ana_groups', String(group));
  }

  serves(nqn: string): boolean {
    return this.#fs.exists('ports', this.id, 'subsystems', nqn);
  }

  get subsystems(): string[] {
    return this.#fs.list('ports', this.id, 'subsystems');
  }

  /** From now on the port serves the subsystem. With its first one it begins to listen. */
  link(nqn: string): void {
    this.#fs.link(this.#fs.path('subsystems', nqn), 'ports', this.id, 'subsystems', nqn);
  }

  /** Shuts all connections to the subsystem through this port; with its last one the port closes. */
  unlink(nqn: string): void {
    this.#fs.unlink('ports', this.id, 'subsystems', nqn);
  }
}
