import type { ControlAnaState, ControlListener, ControlNamespace, ControlSubsystem, GatewayControl, GatewayDescription, SocketAddress, SubsystemDescription } from '../gateway/control.js';

const firstPort = 4_420;

/** A data plane that serves nobody: it remembers what the agent has set up, and answers unless it is made sick. */
export class MemoryControl implements GatewayControl {
  /** While this is set, `describe` rejects. */
  sick = false;
  readonly #subsystems = new Map<string, SubsystemDescription>();
  #nextPort = firstPort;

  async describe(): Promise<GatewayDescription> {
    if (this.sick) throw new Error('the data plane does not answer (made so by the schedule)');
    return structuredClone({ driver: 'memory', subsystems: [...this.#subsystems.values()] });
  }

  /** Moves the namespaces of every subsystem to these ANA groups, one each. */
  rebalance(groups: readonly number[]): void {
    for (const subsystem of this.#subsystems.values()) {
      subsystem.namespaces = groups.map((anaGroup, i) => ({ nsid: i + 1, uuid: namespaceUuid(i + 1), anaGroup }));
    }
  }

  async addSubsystem({ nqn }: ControlSubsystem): Promise<void> {
    this.#subsystems.set(nqn, { nqn, listeners: [], namespaces: [], ana: {} });
  }

  async removeSubsystem(nqn: string): Promise<void> {
    this.#subsystems.delete(nqn);
  }

  async addNamespace(nqn: string, { nsid, uuid, anaGroup }: ControlNamespace): Promise<void> {
    this.#of(nqn).namespaces.push({ nsid, uuid, anaGroup });
  }

  async removeNamespace(nqn: string, nsid: number): Promise<void> {
    const subsystem = this.#of(nqn);
    subsystem.namespaces = subsystem.namespaces.filter((namespace) => namespace.nsid !== nsid);
  }

  async addListener(nqn: string, { host, port, advertised }: ControlListener): Promise<SocketAddress> {
    const bound = { host, port: port === 0 ? this.#nextPort++ : port };
    this.#of(nqn).listeners.push({ bound, advertised: advertised ?? bound });
    return bound;
  }

  async removeListener(nqn: string, address: SocketAddress): Promise<void> {
    const subsystem = this.#of(nqn);
    subsystem.listeners = subsystem.listeners.filter(({ bound }) => bound.port !== address.port);
  }

  async setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    for (const subsystem of this.#subsystems.values()) if (nqn === null || subsystem.nqn === nqn) subsystem.ana[group] = state;
  }

  #of(nqn: string): SubsystemDescription {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) throw new Error(`no subsystem ${nqn}`);
    return subsystem;
  }
}

export function namespaceUuid(nsid: number): string {
  return `00000000-0000-4000-8000-${String(nsid).padStart(12, '0')}`;
}
