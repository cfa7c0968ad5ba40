import { randomBytes } from 'node:crypto';
import { GatewayAgent } from '../../../gateway/agent/index.js';
import type { AgentEnd } from '../../../gateway/agent/index.js';
import { FakeControl } from '../../../gateway/agent/testing/fakes.js';
import { connectCephMonitor } from '../../../monitor/ceph-client/index.js';
import type { CephMonitorClient, CephMonitorOptions } from '../../../monitor/ceph-client/index.js';
import type { GatewayMap } from '../../../monitor/client.js';
import { parseNvmeGwShow } from '../../../monitor/show-parser.js';
import type { NvmeGwShow } from '../../../monitor/show-parser.js';
import { sleep } from '../../../util/clock.js';
import type { RealMonCluster } from '../../../lab/real-mon/index.js';

export const testNqn = 'nqn.2026-01.io.example:real';

export interface TestGatewayOptions extends Pick<CephMonitorOptions, 'timers'> {
  id: string;
  group: string;
  key?: string | undefined;
  mode?: CephMonitorOptions['mode'];
  mons?: CephMonitorOptions['mons'];
}

/** The real agent and the real client around a data plane that only remembers: one incarnation of one gateway. */
export class TestGateway {
  readonly nonce = `127.0.0.1:0/${randomBytes(4).readUInt32LE(0) >>> 1}`;
  readonly client: CephMonitorClient;
  readonly agent: GatewayAgent;
  readonly control = new FakeControl();
  readonly maps: GatewayMap[] = [];
  /** Every ANA state that the data plane was told, `GROUP state`, in order. */
  get ana(): string[] {
    return this.control.calls.filter((call) => call.startsWith('ana ')).map((call) => call.split(' ').slice(2).join(' '));
  }
  end: AgentEnd | undefined;

  constructor(cluster: RealMonCluster, o: TestGatewayOptions) {
    this.client = connectCephMonitor({
      mons: o.mons ?? cluster.endpoints,
      entity: `client.nvmeof.${o.id}`,
      fsid: cluster.fsid,
      ...(o.key === undefined ? {} : { key: o.key }),
      ...(o.mode === undefined ? {} : { mode: o.mode }),
      ...(o.timers === undefined ? {} : { timers: o.timers }),
    });
    this.client.onMap((map) => this.maps.push(map));
    const namespace = (nsid: number): { nsid: number; uuid: string; nguid: string; anaGroup: number; image: string } => ({
      nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).padStart(32, '0'), anaGroup: nsid, image: `img${nsid}`,
    });
    this.agent = new GatewayAgent({
      gwId: o.id, pool: 'rbd', group: o.group, monitor: this.client, control: this.control, nonce: this.nonce,
      timers: { scale: 1, beaconMs: 1_000, connectPanicMs: 30_000, disconnectPanicMs: 100_000 },
      waitForStoreEpoch: (epoch) => this.client.waitForOsdEpoch(epoch),
      subsystems: [{ nqn: testNqn, serial: 'S', namespaces: [namespace(1), namespace(2)], listeners: [{ host: '127.0.0.1', port: 0 }] }],
    });
    void this.agent.ended.then((end) => { this.end = end; });
    this.agent.start();
  }

  /** As SIGKILL: nothing more is sent, not even a farewell. */
  async kill(): Promise<void> {
    await this.client.close();
    await this.agent.stop();
  }
}

/** What a person wants to see of a run against a real monitor: printed if PATHPROOF_TIMELINE is set. */
export function show(text: string): void {
  if (process.env['PATHPROOF_TIMELINE'] !== undefined) console.log(text);
}

export interface WatchedChange { ms: number; text: string }

/**
 * Polls `nvme-gw show` of one group and keeps every change with its time since the watch began. Times of the
 * test's own deeds can be put between them with `note`.
 */
export class GroupWatch {
  readonly changes: WatchedChange[] = [];
  readonly #cluster: RealMonCluster;
  readonly #group: string;
  readonly #startMs = performance.now();
  readonly #done: Promise<void>;
  #last = '';
  #stopped = false;

  constructor(cluster: RealMonCluster, group: string) {
    this.#cluster = cluster;
    this.#group = group;
    this.#done = this.#poll();
  }

  /** Milliseconds since the watch began. */
  now(): number {
    return Math.round(performance.now() - this.#startMs);
  }

  note(text: string): number {
    const ms = this.now();
    this.changes.push({ ms, text: `-- ${text}` });
    return ms;
  }

  /** Resolves with the time at which `wanted` was first seen, from now on. */
  async until(wanted: string | RegExp, timeoutMs = 60_000): Promise<number> {
    const end = this.now() + timeoutMs;
    while (this.now() < end) {
      if (typeof wanted === 'string' ? this.#last.includes(wanted) : wanted.test(this.#last)) return this.now();
      await sleep(5);
    }
    throw new Error(`${String(wanted)} was not seen within ${timeoutMs} ms:\n${this.text()}`);
  }

  text(): string {
    return this.changes.map(({ ms, text }) => `${(ms / 1_000).toFixed(2).padStart(7)} ${text}`).join('\n');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    show(`group ${this.#group}\n${this.text()}`);
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      const reply = await this.#cluster.tryCommand({ prefix: 'nvme-gw show', pool: 'rbd', group: this.#group, format: 'json' });
      if (reply.code === 0) {
        const text = describe(parseNvmeGwShow(reply.output.toString('utf8')));
        if (text !== this.#last) this.changes.push({ ms: this.now(), text });
        this.#last = text;
      }
      await sleep(20);
    }
  }
}

/** `gw1 AVAILABLE 1:ACTIVE 2:STANDBY | gw2 …` */
function describe({ gateways }: NvmeGwShow): string {
  return gateways
    .map(({ id, availability, states }) => [id, availability, ...Object.entries(states).map(([group, state]) => `${group}:${state}`)].join(' '))
    .sort().join(' | ');
}
