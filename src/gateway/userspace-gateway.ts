import { createHash } from 'node:crypto';
import type { EventBody } from '../history/events.js';
import type { MonitorClient } from '../monitor/client.js';
import type { LabTimers } from '../plan/types.js';
import type { StoreClient } from '../store/index.js';
import { GatewayAgent } from './agent/index.js';
import type { AgentEnd, GatewayAgentOptions } from './agent/index.js';
import type { ControlListener, ControlNamespace } from './control.js';
import { backendDefects, FaultyImages } from './defects/faulty-backend.js';
import { optimizedEverywhere } from './defects/optimized-everywhere.js';
import { NvmeTcpTarget, UserspaceControl } from './target/index.js';
import type { NvmeTcpTargetOptions, TargetEvent } from './target/index.js';

/** The target's own word about itself, as the history has it. */
export type GatewayState = Extract<EventBody, { type: 'gw.state' }>;

export interface UserspaceGatewayOptions {
  name: string;
  pool: string;
  group: string;
  nqn: string;
  /** `image` names an image of the store. */
  namespaces: ControlNamespace[];
  listener: ControlListener;
  timers: LabTimers;
  monitor: MonitorClient;
  store: Pick<StoreClient, 'address' | 'openImage' | 'waitForEpoch' | 'currentEpoch' | 'onFenced'>;
  target?: NvmeTcpTargetOptions;
  agent?: Pick<GatewayAgentOptions, 'wrongMapIgnoreMs' | 'onFenced'>;
  /** Defects to run with, without the `gateway.` in front (plan/defects.ts). Default: none. */
  defects?: readonly GatewayDefect[];
  /** Called on every change, and every `statePeriodMs` so that an observer has no hole. */
  onState?: (state: GatewayState) => void;
  log?: (line: string) => void;
}

export const gatewayDefects = [...backendDefects, 'optimized-everywhere'] as const;
export type GatewayDefect = (typeof gatewayDefects)[number];

/** Longest time between two reports of the state, milliseconds. */
export const statePeriodMs = 100;

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
  #timer: ReturnType<typeof setInterval> | undefined;
  #published = '';

  constructor(o: UserspaceGatewayOptions) {
    this.#o = o;
    const log = o.log ?? (() => undefined);
    this.#target = new NvmeTcpTarget({
      anattS: Math.min(255, Math.max(1, Math.ceil(o.timers.anattMs / 1_000))),
      ...o.target,
      onEvent: (event) => {
        log(textOf(event));
        o.target?.onEvent?.(event);
        if (event.type === 'ana-state') this.#publish();
      },
    });
    const defects = new Set(o.defects);
    const images = new FaultyImages(new Set(backendDefects.filter((defect) => defects.has(defect))));
    const control = new UserspaceControl(this.#target, async (image) => images.wrap(await o.store.openImage(image)));
    const groups = [...new Set(o.namespaces.map(({ anaGroup }) => anaGroup))];
    this.#agent = new GatewayAgent({
      gwId: o.name, pool: o.pool, group: o.group, timers: o.timers,
      monitor: o.monitor,
      control: defects.has('optimized-everywhere') ? optimizedEverywhere(control, groups) : control,
      waitForStoreEpoch: async (epoch) => { await o.store.waitForEpoch(epoch); },
      nonce: o.store.address,
      subsystems: [{ nqn: o.nqn, serial: serialOf(o.nqn), namespaces: o.namespaces, listeners: [o.listener] }],
      log,
      ...o.agent,
    });
    o.store.onFenced(() => this.#agent.reportFenced());
    this.#agent.onChange(() => this.#publish());
    this.ended = this.#agent.ended.then(async (end) => {
      clearInterval(this.#timer);
      await this.#target.close();
      this.#publish();
      return end;
    });
  }

  /** Begins to send beacons; serves once the monitor has answered. */
  start(): void {
    this.#timer = setInterval(() => this.#publish(true), statePeriodMs);
    this.#agent.start();
    this.#publish();
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

  /** As an operator's listener delete: resets the hosts' connections, see GatewayAgent. */
  async removeListeners(): Promise<void> {
    await this.#agent.removeListeners();
    this.#publish();
  }

  async addListeners(): Promise<void> {
    await this.#agent.addListeners();
    this.#publish();
  }

  /** Stops serving; `ended` settles with `stopped`. */
  async stop(): Promise<void> {
    await this.#agent.stop();
    await this.ended;
  }

  #publish(unchanged = false): void {
    if (this.#o.onState === undefined) return;
    const state = this.state();
    // How long the monitor has been silent, and what is on its way right now, are always other numbers: no change by themselves.
    const text = JSON.stringify({ ...state, monSilentMs: 0, awaitingData: 0 });
    if (!unchanged && text === this.#published) return;
    this.#published = text;
    this.#o.onState(state);
  }
}

function textOf(event: TargetEvent): string {
  const { type, ...fields } = event;
  return `${type} ${Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(' ')}`;
}
