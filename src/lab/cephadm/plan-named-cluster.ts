import type { CommandReply } from '../../monitor/client.js';
import { outputOf, type ClusterSession } from '../qemu/lab/cluster.js';
import { sameNames, withPlanNames, type HostNames } from './names.js';

/** A cluster whose gateways cephadm has named: `nvme-gw show` answers with the plan's names, all else as it is. */
export class PlanNamedCluster {
  readonly #cluster: Pick<ClusterSession, 'command' | 'close'>;
  readonly #service: string;
  readonly #names: HostNames;

  constructor(cluster: Pick<ClusterSession, 'command' | 'close'>, service: string, names: HostNames = sameNames) {
    this.#cluster = cluster;
    this.#service = service;
    this.#names = names;
  }

  async command(command: Record<string, unknown>): Promise<CommandReply> {
    const reply = await this.#cluster.command(command);
    return command['prefix'] === 'nvme-gw show' ? { ...reply, output: withPlanNames(reply.output, this.#service, this.#names) } : reply;
  }

  /** The output of a command that must succeed. */
  async must(command: Record<string, unknown>): Promise<string> {
    return outputOf(command, await this.command(command));
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
