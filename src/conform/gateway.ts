import { randomBytes } from 'node:crypto';
import { GatewayAgent, type AgentEnd, type AgentSubsystem } from '../gateway/agent/index.js';
import type { Beacon } from '../monitor/index.js';
import { productionTimers } from '../plan/timers.js';
import { MemoryControl, namespaceUuid } from './memory-control.js';
import type { ScheduleStep } from './schedule.js';
import { ScriptedClient, type Promotion } from './scripted-client.js';
import type { GatewaySession } from './side.js';

export interface IncarnationOptions {
  id: string;
  pool: string;
  group: string;
  /** The ANA groups that every gateway of the group has a namespace in. */
  anaGroups: readonly number[];
  start: Omit<Extract<ScheduleStep, { do: 'start' }>, 'do' | 'gateway'>;
  onPromotion: (promotion: Promotion) => void;
}

/** TEST-NET-1 (RFC 5737): a blocklist entry that a schedule leaves behind can be nobody's. */
const nonceHost = '192.0.2.1';
const listenerHost = '192.0.2.1';

/**
 * One incarnation of one gateway: the real agent with the real monitor client, around a data plane that only
 * remembers. What is scripted is what surrounds the agent: its wire, its data plane and its store.
 */
export class Incarnation {
  readonly #client: ScriptedClient;
  readonly #control = new MemoryControl();
  readonly #agent: GatewayAgent;
  #end: AgentEnd | undefined;
  #stalled: Promise<void> | undefined;
  #resume: () => void = () => undefined;

  constructor({ client, waitForStoreEpoch }: GatewaySession, o: IncarnationOptions) {
    this.#client = new ScriptedClient(client, o.onPromotion);
    const { nonces, listeners = true, subsystems = 1 } = o.start;
    if (nonces === 'none') this.#client.alter = withoutNamespaces;
    this.#agent = new GatewayAgent({
      gwId: o.id, pool: o.pool, group: o.group, monitor: this.#client, control: this.#control, timers: productionTimers,
      nonce: nonces === 'unparsable' ? 'no address' : `${nonceHost}:0/${randomBytes(4).readUInt32LE(0) >>> 1}`,
      waitForStoreEpoch: async (epoch) => {
        await waitForStoreEpoch(epoch);
        await this.#stalled;
      },
      subsystems: Array.from({ length: subsystems }, (_, i) => subsystemOf(i + 1, o.anaGroups, listeners)),
    });
    void this.#agent.ended.then((end) => { this.#end = end; });
    this.#agent.start();
  }

  /** Why the agent has ended by itself; undefined while it runs. */
  get end(): AgentEnd | undefined {
    return this.#end;
  }

  /** As SIGKILL: nothing more is sent, not even a farewell. */
  async kill(): Promise<void> {
    await this.#client.close();
    this.#resume();
    await this.#agent.stop();
  }

  async apply(step: Extract<ScheduleStep, { gateway: string }>): Promise<void> {
    switch (step.do) {
      case 'cut': this.#client.mute = this.#client.deaf = true; return;
      case 'heal': this.#client.mute = this.#client.deaf = false; return;
      case 'mute': this.#client.mute = true; return;
      case 'close-listeners': return this.#agent.removeListeners(step.subsystem === undefined ? undefined : nqnOf(step.subsystem));
      case 'open-listeners': return this.#agent.addListeners(step.subsystem === undefined ? undefined : nqnOf(step.subsystem));
      case 'sick':
        this.#control.sick = true;
        this.#client.alter = { kept: asItIs, emptied: emptied, changed: withoutLast }[step.list];
        return;
      case 'well':
        this.#control.sick = false;
        this.#client.alter = asItIs;
        return;
      case 'stall-store': this.#stalled = new Promise((resolve) => { this.#resume = resolve; }); return;
      case 'resume-store': this.#stalled = undefined; this.#resume(); return;
      case 'namespaces': this.#control.rebalance(step.groups); return;
      default: throw new Error(`${step.do} is not done to a running gateway`);
    }
  }
}

function nqnOf(number: number): string {
  return `nqn.2026-01.io.pathproof:conform-${number}`;
}

function subsystemOf(number: number, anaGroups: readonly number[], listeners: boolean): AgentSubsystem {
  return {
    nqn: nqnOf(number), serial: `S${number}`,
    namespaces: anaGroups.map((anaGroup, i) => ({ nsid: i + 1, uuid: namespaceUuid(i + 1), nguid: String(i + 1).padStart(32, '0'), anaGroup, image: `image${i + 1}` })),
    listeners: listeners ? [{ host: listenerHost, port: 0 }] : [],
  };
}

const asItIs = (beacon: Beacon): Beacon => beacon;

function withoutNamespaces(beacon: Beacon): Beacon {
  return { ...beacon, subsystems: beacon.subsystems.map((subsystem) => ({ ...subsystem, namespaces: [] })) };
}

function emptied(beacon: Beacon): Beacon {
  return beacon.availability === 'UNAVAILABLE' ? { ...beacon, subsystems: [] } : beacon;
}

function withoutLast(beacon: Beacon): Beacon {
  return beacon.availability === 'UNAVAILABLE' ? { ...beacon, subsystems: beacon.subsystems.slice(0, -1) } : beacon;
}
