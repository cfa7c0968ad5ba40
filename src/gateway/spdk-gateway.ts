import { messageOf } from '../util/errors.js';
import { sleep } from '../util/clock.js';
import type { MonitorClient } from '../monitor/client.js';
import type { LabTimers } from '../plan/types.js';
import { GatewayAgent } from './agent/index.js';
import type { AgentEnd, GatewayAgentOptions } from './agent/index.js';
import { anaGroupsMax } from './agent/serving.js';
import type { ControlListener, ControlNamespace } from './control.js';
import { StatePublisher, statePeriodMs, type GatewayState } from './gateway-state.js';
import { SpdkControl, type SpdkAccess, type SpdkStore, type SpdkTarget } from './spdk/index.js';
import type { JsonRpcClient } from './spdk/index.js';

export interface SpdkGatewayOptions {
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
  store: Omit<SpdkStore, 'close'>;
  target: Pick<SpdkTarget, 'ended' | 'stop' | 'kill'>;
  /** Two connections to the target, see SpdkControl. */
  orders: Pick<JsonRpcClient, 'call'>;
  looks: Pick<JsonRpcClient, 'call'>;
  agent?: Pick<GatewayAgentOptions, 'wrongMapIgnoreMs' | 'onFenced' | 'onEnding'>;
  /** Called on every change, and as often as SPDK answers, every `statePeriodMs` at most, so that an observer has no hole. */
  onState?: (state: GatewayState) => void;
  log?: (line: string) => void;
}

/** How long SPDK may take to close its images, milliseconds. */
const stopGraceMs = 5_000;

/**
 * One whole gateway on SPDK's target: the agent, SPDK as a process of its own, and images opened by SPDK through librbd. What it
 * reports is what SPDK answers; while SPDK does not, nothing is reported.
 */
export class SpdkGateway {
  /** Settles when the gateway has stopped serving, with the reason. */
  readonly ended: Promise<AgentEnd>;
  readonly #o: SpdkGatewayOptions;
  readonly #log: (line: string) => void;
  readonly #control: SpdkControl;
  readonly #agent: GatewayAgent;
  readonly #publisher: StatePublisher;
  #access: SpdkAccess | undefined;
  #ended = false;
  #silent = false;
  /** A look that begins after all that is known now. */
  #nextLook: Promise<boolean> | undefined;
  #look: Promise<boolean> = Promise.resolve(false);

  constructor(o: SpdkGatewayOptions) {
    this.#o = o;
    this.#log = o.log ?? (() => undefined);
    this.#publisher = new StatePublisher(() => this.#state(), o.onState);
    this.#control = new SpdkControl({
      orders: o.orders, looks: o.looks, bdevOf: (image) => o.store.bdevOf(image), maxNamespaces: Math.max(anaGroupsMax, ...o.namespaces.map(({ nsid, anaGroup }) => Math.max(nsid, anaGroup))),
    });
    this.#agent = new GatewayAgent({
      gwId: o.name, pool: o.pool, group: o.group, timers: o.timers,
      monitor: o.monitor,
      control: this.#control,
      waitForStoreEpoch: (epoch) => o.store.waitForEpoch(epoch),
      nonce: o.store.address,
      subsystems: [{ nqn: o.nqn, serial: o.serial, namespaces: o.namespaces, listeners: o.listeners }],
      log: this.#log,
      ...o.agent,
      onEnding: (end) => {
        this.#ended = true;
        // Nothing is waited for, but in an orderly end: SPDK would wait for its storage before it lets go of a connection.
        if (end.reason !== 'stopped') void o.target.kill();
        o.agent?.onEnding?.(end);
      },
    });
    o.store.onFenced(() => this.#agent.reportFenced());
    void o.target.ended.then((how) => this.#agent.reportStoreLost(how));
    this.#agent.onChange(() => void this.#publish(false));
    this.ended = this.#agent.ended.then(async (end) => {
      await o.target.stop(stopGraceMs);
      this.#access = undefined;
      this.#publisher.publish();
      return end;
    });
  }

  /** Begins to send beacons; serves once the monitor has answered. */
  start(): void {
    this.#agent.start();
    void (async () => {
      while (!this.#ended) {
        await this.#publish(true);
        await sleep(statePeriodMs);
      }
    })();
  }

  /** As SPDK has it now. Rejects when it does not answer. */
  async state(): Promise<GatewayState> {
    if (!this.#ended && !await this.#lookAgain()) throw new Error('SPDK does not answer');
    return this.#state();
  }

  /** Emits the present state, whether it has changed or not. */
  announce(): void {
    void this.#publish(true);
  }

  /** As an operator's listener delete, see GatewayAgent. */
  async removeListeners(): Promise<void> {
    await this.#agent.removeListeners();
    await this.#publish(false);
  }

  async addListeners(): Promise<void> {
    await this.#agent.addListeners();
    await this.#publish(false);
  }

  /** Stops serving; `ended` settles with `stopped`. */
  async stop(): Promise<void> {
    await this.#agent.stop();
    await this.ended;
  }

  #state(): GatewayState {
    const { phase, monSilentMs } = this.#agent.state();
    const access = this.#ended ? undefined : this.#access;
    const listeners = (access?.listeners ?? []).map(({ bound }) => `${bound.host}:${bound.port}`);
    const groups = [...new Set(this.#o.namespaces.map(({ anaGroup }) => anaGroup))];
    return {
      type: 'gw.state',
      gateway: this.#o.name,
      ana: { ...Object.fromEntries(groups.map((group) => [group, 'inaccessible' as const])), ...access?.ana },
      listeners,
      namespaces: access?.namespaces.length ?? 0,
      serving: phase === 'serving' && listeners.length > 0,
      storeEpoch: this.#o.store.currentEpoch(),
      monSilentMs: Math.round(monSilentMs),
      storeAddress: this.#o.store.address,
    };
  }

  async #publish(unchanged: boolean): Promise<void> {
    if (await this.#lookAgain()) this.#publisher.publish(unchanged);
  }

  /** Resolves to whether SPDK has answered since this was called. One look at a time: all that come meanwhile share the next one. */
  #lookAgain(): Promise<boolean> {
    this.#nextLook ??= this.#look.then(() => {
      this.#nextLook = undefined;
      return this.#look = this.#lookOnce();
    });
    return this.#nextLook;
  }

  async #lookOnce(): Promise<boolean> {
    if (this.#ended) return false;
    try {
      this.#access = await this.#control.access(this.#o.nqn);
      this.#silent = false;
      return !this.#ended;
    } catch (error) {
      if (!this.#silent && !this.#ended) this.#log(`SPDK does not say what it serves: ${messageOf(error)}`);
      this.#silent = true;
      return false;
    }
  }
}
