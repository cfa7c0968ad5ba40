import { messageOf } from '../util/errors.js';
import type { MonitorClient } from '../monitor/client.js';
import type { LabTimers } from '../plan/types.js';
import { GatewayAgent } from './agent/index.js';
import type { AgentEnd, GatewayAgentOptions } from './agent/index.js';
import type { ControlListener, ControlNamespace } from './control.js';
import { StatePublisher, type GatewayState } from './gateway-state.js';
import type { KrbdStore } from './krbd/index.js';
import { NvmetControl } from './nvmet/index.js';
import type { ConfigFs, NvmetAccess } from './nvmet/index.js';

export interface NvmetGatewayOptions {
  name: string;
  pool: string;
  group: string;
  nqn: string;
  serial: string;
  /** `image` names an image of the pool. */
  namespaces: ControlNamespace[];
  listeners: ControlListener[];
  timers: LabTimers;
  monitor: MonitorClient;
  store: Omit<KrbdStore, 'close'>;
  agent?: Pick<GatewayAgentOptions, 'wrongMapIgnoreMs' | 'onFenced' | 'onEnding'>;
  /** Default: the kernel's tree. */
  fs?: ConfigFs;
  /** Called on every change, and every `statePeriodMs` so that an observer has no hole. */
  onState?: (state: GatewayState) => void;
  log?: (line: string) => void;
}

/**
 * One whole gateway on the kernel's target: the agent, nvmet, and images mapped by krbd. The target lives
 * in the kernel and outlives this process; whoever ends it takes down what it leaves (lab/guest/supervisor.ts).
 *
 * With `onFenced: 'stay'` commands that the store refuses wait in their queueing device for as long as the
 * monitor's maps let the gateway be: the kernel target has no way to report a path error for them.
 */
export class NvmetGateway {
  /** Settles when the gateway has stopped serving, with the reason. */
  readonly ended: Promise<AgentEnd>;
  readonly #o: NvmetGatewayOptions;
  readonly #log: (line: string) => void;
  readonly #control: NvmetControl;
  readonly #agent: GatewayAgent;
  readonly #publisher: StatePublisher;
  readonly #groups: readonly number[];
  #unreadable = false;

  constructor(o: NvmetGatewayOptions) {
    this.#o = o;
    this.#publisher = new StatePublisher(() => this.state(), o.onState);
    this.#log = o.log ?? (() => undefined);
    this.#groups = [...new Set(o.namespaces.map(({ anaGroup }) => anaGroup))];
    this.#control = new NvmetControl({ openDevice: o.store.openDevice, failure: () => o.store.failure(), ...(o.fs === undefined ? {} : { fs: o.fs }) });
    this.#agent = new GatewayAgent({
      gwId: o.name, pool: o.pool, group: o.group, timers: o.timers,
      monitor: o.monitor,
      control: this.#control,
      waitForStoreEpoch: (epoch) => o.store.waitForEpoch(epoch),
      nonce: o.store.address,
      subsystems: [{ nqn: o.nqn, serial: o.serial, namespaces: o.namespaces, listeners: o.listeners }],
      log: this.#log,
      ...o.agent,
    });
    o.store.onFenced(() => this.#agent.reportFenced());
    this.#agent.onChange(() => this.#publisher.publish());
    this.ended = this.#agent.ended.then((end) => {
      this.#publisher.stop();
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

  /** What the kernel says at this moment; nothing served if it says nothing. */
  state(): GatewayState {
    const { phase, monSilentMs } = this.#agent.state();
    const access = this.#access();
    const listeners = access.listeners.map(({ bound }) => `${bound.host}:${bound.port}`);
    return {
      type: 'gw.state',
      gateway: this.#o.name,
      ana: { ...access.ana },
      listeners,
      namespaces: access.namespaces,
      serving: phase === 'serving' && listeners.length > 0,
      storeEpoch: this.#o.store.currentEpoch(),
      monSilentMs: Math.round(monSilentMs),
      storeAddress: this.#o.store.address,
    };
  }

  /** Emits the present state, whether it has changed or not. */
  announce(): void {
    this.#publisher.publish(true);
  }

  /** As an operator's listener delete: shuts the hosts' connections, see GatewayAgent. */
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

  #access(): NvmetAccess {
    try {
      const access = this.#control.access(this.#o.nqn, this.#groups);
      this.#unreadable = false;
      return access;
    } catch (error) {
      if (!this.#unreadable) this.#log(`the kernel's target cannot be read: ${messageOf(error)}`);
      this.#unreadable = true;
      return { listeners: [], ana: {}, namespaces: 0 };
    }
  }
}
