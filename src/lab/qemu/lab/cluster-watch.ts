import type { EventBody } from '../../../history/events.js';
import { MonitorWatch } from '../../../observe/monitor-watch.js';
import type { Plan } from '../../../plan/types.js';
import type { ClusterSession } from './cluster.js';
import { StoreWatch } from './store-watch.js';

/** The monitor decides once a second at most (paxos_propose_interval); each question costs an emulated processor milliseconds. */
export const monitorPeriodMs = 200;
export const storePeriodMs = 1_000;

export interface ClusterWatchOptions {
  plan: Plan;
  cluster: Pick<ClusterSession, 'must'>;
  gateways: ReadonlyMap<string, { readonly member?: { readonly info: unknown } | undefined }>;
  sink: (node: 'store' | 'monitor' | 'harness', event: EventBody) => void;
  /** How often each is asked, milliseconds. Default: what emulated processors can answer. */
  periodMs?: { monitor: number; store: number };
}

/** What a real cluster says of gateways and fencing, asked again and again for as long as a run lasts. */
export class ClusterWatch {
  readonly #store: StoreWatch;
  readonly #monitor: MonitorWatch;

  constructor({ plan, cluster, gateways, sink, periodMs = { monitor: monitorPeriodMs, store: storePeriodMs } }: ClusterWatchOptions) {
    const { pool, group } = plan.topology;
    const problem = (message: string): void => sink('harness', { type: 'log', level: 'warn', message });
    this.#store = new StoreWatch({
      blocklist: () => cluster.must({ prefix: 'osd blocklist ls', format: 'json' }),
      osdStat: () => cluster.must({ prefix: 'osd stat', format: 'json' }),
      periodMs: periodMs.store, onError: problem, emit: (event) => sink('store', event),
    });
    this.#monitor = new MonitorWatch({
      show: () => cluster.must({ prefix: 'nvme-gw show', pool, group, format: 'json' }),
      periodMs: periodMs.monitor, onError: (error) => problem(`the monitor cannot be read: ${error.message}`),
      emit: (event) => {
        sink('monitor', event);
        // What the monitor has just decided, it has written to the OSD map before.
        if (event.type === 'mon.map') this.#store.look();
      },
    });
    for (const [name, { member }] of gateways) this.addMember(name, member?.info);
  }

  /** The address as which a gateway uses the store, by what its program said when it was attached to. */
  addMember(name: string, info: unknown): void {
    const address = (info as { storeAddress?: string } | undefined)?.storeAddress;
    if (address !== undefined) this.addClient(address, name);
  }

  /** `anaGroup`: it is used for the images of this group; undefined: of all. */
  addClient(address: string, gateway: string, anaGroup?: number): void {
    this.#store.addClient(address, gateway, anaGroup);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#monitor.stop(), this.#store.stop()]);
  }
}
