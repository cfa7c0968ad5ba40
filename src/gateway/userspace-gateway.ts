import { createHash } from 'node:crypto';
import type { MonitorClient } from '../monitor/client.js';
import type { LabTimers } from '../plan/types.js';
import type { StoreClient } from '../store/index.js';
import { GatewayAgent } from './agent/index.js';
import type { AgentEnd, GatewayAgentOptions } from './agent/index.js';
import type { BlockBackend } from './backend.js';
import type { ControlListener, ControlNamespace, GatewayControl } from './control.js';
import { makeGatewayDefects } from './defects/index.js';
import type { GatewayDefectName } from './defects/index.js';
import { StatePublisher, type GatewayState } from './gateway-state.js';
import { NvmeTcpTarget, UserspaceControl } from './target/index.js';
import type { NvmeTcpTargetOptions, TargetEvent } from './target/index.js';
import type { TargetHooks } from './target/hooks.js';

/** What a gateway needs from its store, whichever it is. `address`: of its client, or of the one that does an image's I/O. */
export interface UserspaceStore extends Pick<StoreClient, 'openImage' | 'currentEpoch' | 'onFenced'> {
  address: string | ((image: string) => string);
  waitForEpoch(epoch: number): Promise<unknown>;
}

export interface UserspaceGatewayOptions {
  /** In events, and the id by which the monitor knows it unless `gwId` is given. */
  name: string;
  gwId?: string;
  pool: string;
  group: string;
  nqn: string;
  /** Default: derived from the NQN. */
  serial?: string;
  /** Host NQNs that may connect. Default: any. */
  hosts?: readonly string[];
  /** `image` names an image of the store. */
  namespaces: ControlNamespace[];
  listeners: ControlListener[];
  timers: LabTimers;
  monitor: MonitorClient;
  store: UserspaceStore;
  target?: NvmeTcpTargetOptions;
  agent?: Pick<GatewayAgentOptions, 'wrongMapIgnoreMs' | 'onFenced' | 'onEnding'>;
  /** Defects to run with (plan/defects.ts: those of `gateway` and `agent`). Default: none. */
  defects?: readonly GatewayDefectName[];
  /** Which process of this gateway it is, from 0: some defects show only after a restart. */
  incarnation?: number;
  /** Called on every change, and every `statePeriodMs` so that an observer has no hole. */
  onState?: (state: GatewayState) => void;
  log?: (line: string) => void;
}

/** How a process ends that a defect makes crash: by none of the rules of the agent. */
export const crashExitCode = 66;

/** Serial numbers tell subsystems apart and must be the same at every gateway of a group: derived from the NQN. */
export function serialOf(nqn: string): string {
  return `PP${createHash('sha256').update(nqn).digest('hex').slice(0, 16)}`.toUpperCase();
}

/**
 * One whole gateway: the agent, our target, and images of the store. It owns none of its clients: whoever
 * made the monitor session and the store client closes them.
 */
export class UserspaceGateway {
  /** Settles when the gateway has stopped serving, with the reason. */
  readonly ended: Promise<AgentEnd>;
  readonly #o: UserspaceGatewayOptions;
  readonly #target: NvmeTcpTarget;
  readonly #agent: GatewayAgent;
  readonly #publisher: StatePublisher;

  constructor(o: UserspaceGatewayOptions) {
    this.#o = o;
    this.#publisher = new StatePublisher(() => this.state(), o.onState);
    const log = o.log ?? (() => undefined);
    const defects = makeGatewayDefects(o.defects ?? [], {
      incarnation: o.incarnation ?? 0,
      namespaces: o.namespaces,
      groups: [...new Set(o.namespaces.map(({ anaGroup }) => anaGroup))],
      crash: (why) => {
        log(`crashed: ${why}`);
        process.exit(crashExitCode);
      },
    });
    this.#target = new NvmeTcpTarget({
      anattS: Math.min(255, Math.max(1, Math.ceil(o.timers.anattMs / 1_000))),
      ...o.target,
      hooks: Object.assign({}, o.target?.hooks, ...defects.map(({ hooks }) => hooks)) as TargetHooks,
      onEvent: (event) => {
        log(textOf(event));
        o.target?.onEvent?.(event);
        if (event.type === 'ana-state') this.#publisher.publish();
      },
    });
    const control = new UserspaceControl(this.#target, async (name) => {
      const image = await o.store.openImage(name);
      return defects.reduce<BlockBackend>((wrapped, defect) => defect.image?.(wrapped, name) ?? wrapped, image);
    });
    this.#agent = new GatewayAgent({
      gwId: o.gwId ?? o.name, pool: o.pool, group: o.group, timers: o.timers,
      monitor: defects.reduce((wrapped, defect) => defect.monitor?.(wrapped) ?? wrapped, o.monitor),
      control: defects.reduce<GatewayControl>((wrapped, defect) => defect.control?.(wrapped) ?? wrapped, control),
      waitForStoreEpoch: async (epoch) => { await o.store.waitForEpoch(epoch); },
      nonce: o.store.address,
      subsystems: [{ nqn: o.nqn, serial: o.serial ?? serialOf(o.nqn), namespaces: o.namespaces, listeners: o.listeners, ...(o.hosts === undefined ? {} : { hosts: o.hosts }) }],
      log,
      ...o.agent,
    });
    o.store.onFenced(() => this.#agent.reportFenced());
    this.#agent.onChange(() => this.#publisher.publish());
    this.ended = this.#agent.ended.then(async (end) => {
      this.#publisher.stop();
      await this.#target.close();
      this.#publisher.publish();
      return end;
    });
  }

  /** Begins to send beacons; serves once the monitor has answered. */
  start(): void {
    this.#publisher.start();
    this.#agent.start();
    this.#publisher.publish();
  }

  state(): GatewayState {
    const { phase, monSilentMs } = this.#agent.state();
    const listeners = this.#target.listeners().map(({ bound }) => `${bound.host}:${bound.port}`);
    const known = this.#target.subsystems().includes(this.#o.nqn);
    return {
      type: 'gw.state',
      gateway: this.#o.name,
      ana: { ...this.#target.anaStates()[this.#o.nqn] },
      listeners,
      namespaces: known ? this.#target.namespaces(this.#o.nqn).length : 0,
      serving: phase === 'serving' && listeners.length > 0,
      storeEpoch: this.#o.store.currentEpoch(),
      monSilentMs: Math.round(monSilentMs),
      awaitingData: this.#target.connections().reduce((sum, connection) => sum + connection.awaitingData, 0),
    };
  }

  /** Emits the present state, whether it has changed or not. */
  announce(): void {
    this.#publisher.publish(true);
  }

  /** What does its I/O has ended; `ended` settles with `store-lost`. */
  reportStoreLost(detail: string): void {
    this.#agent.reportStoreLost(detail);
  }

  /** As an operator's listener delete: resets the hosts' connections, see GatewayAgent. */
  async removeListeners(): Promise<void> {
    await this.#agent.removeListeners();
    this.#publisher.publish();
  }

  async addListeners(): Promise<void> {
    await this.#agent.addListeners();
    this.#publisher.publish();
  }

  /** Stops serving; `ended` settles with `stopped`. */
  async stop(): Promise<void> {
    await this.#agent.stop();
    await this.ended;
  }
}

function textOf(event: TargetEvent): string {
  const { type, ...fields } = event;
  return `${type} ${Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(' ')}`;
}
