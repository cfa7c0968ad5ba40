import type { CommandReply } from '../../../monitor/client.js';
import { infraError } from '../../../util/errors.js';
import { withPlanNames } from '../../cephadm/names.js';
import type { ClusterSession } from '../../qemu/lab/cluster.js';
import type { Inventory } from '../file.js';
import { serviceOf } from './commands.js';
import { hostNamesOf } from './orchestration.js';

/** A cluster whose gateways cephadm has named: `nvme-gw show` answers with the plan's names, all else as it is. */
export class PlanNamedCluster {
  readonly #cluster: Pick<ClusterSession, 'command' | 'close'>;
  readonly #inventory: Inventory;

  constructor(cluster: Pick<ClusterSession, 'command' | 'close'>, inventory: Inventory) {
    this.#cluster = cluster;
    this.#inventory = inventory;
  }

  async command(command: Record<string, unknown>): Promise<CommandReply> {
    const reply = await this.#cluster.command(command);
    return command['prefix'] === 'nvme-gw show' ? { ...reply, output: withPlanNames(reply.output, serviceOf(this.#inventory), hostNamesOf(this.#inventory)) } : reply;
  }

  /** The output of a command that must succeed. */
  async must(command: Record<string, unknown>): Promise<string> {
    const { code, status, output } = await this.command(command);
    if (code !== 0) throw infraError('CEPH_COMMAND', `ceph ${String(command['prefix'])}: ${status} (${code})`);
    return output;
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
