import type { BlockBackend } from '../backend.js';
import { cntlidRange } from '../control.js';
import type {
  ControlAnaState, ControlListener, ControlNamespace, ControlSubsystem, GatewayControl, GatewayDescription, SocketAddress,
} from '../control.js';
import type { NvmeTcpTarget } from './target.js';

/** The `userspace` driver: GatewayControl over our own target in the same process. */
export class UserspaceControl implements GatewayControl {
  readonly #target: NvmeTcpTarget;
  readonly #openImage: (image: string) => Promise<BlockBackend>;

  /** `openImage` gives the backend of a namespace by its image's name. */
  constructor(target: NvmeTcpTarget, openImage: (image: string) => Promise<BlockBackend>) {
    this.#target = target;
    this.#openImage = openImage;
  }

  async describe(): Promise<GatewayDescription> {
    const ana = this.#target.anaStates();
    const listeners = this.#target.listeners();
    return {
      driver: 'userspace',
      subsystems: this.#target.subsystems().map((nqn) => ({
        nqn,
        listeners: listeners.filter((listener) => listener.nqn === nqn).map(({ bound, advertised }) => ({ bound, advertised })),
        namespaces: this.#target.namespaces(nqn),
        ana: ana[nqn] ?? {},
      })),
    };
  }

  async addSubsystem({ nqn, serial, groupIndex, hosts }: ControlSubsystem): Promise<void> {
    const { min, max } = cntlidRange(groupIndex);
    this.#target.addSubsystem({ nqn, serial, cntlidMin: min, cntlidMax: max, ...(hosts === undefined ? {} : { allowedHosts: hosts }) });
  }

  async removeSubsystem(nqn: string): Promise<void> {
    await this.#target.removeSubsystem(nqn);
  }

  async addNamespace(nqn: string, { nsid, uuid, nguid, anaGroup, image }: ControlNamespace): Promise<void> {
    const backend = await this.#openImage(image);
    this.#target.addNamespace(nqn, { nsid, uuid, nguid, anaGroup, backend });
  }

  async removeNamespace(nqn: string, nsid: number): Promise<void> {
    this.#target.removeNamespace(nqn, nsid);
  }

  addListener(nqn: string, listener: ControlListener): Promise<SocketAddress> {
    return this.#target.addListener(nqn, listener);
  }

  removeListener(nqn: string, address: SocketAddress): Promise<void> {
    return this.#target.removeListener(nqn, address);
  }

  async setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    await this.#target.setAnaState(nqn, group, state);
  }
}
