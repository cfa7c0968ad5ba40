import type { EventBody } from '../../history/events.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { AttachedMember } from './attached-member.js';

type GatewayState = Extract<EventBody, { type: 'gw.state' }>;
type NodeState = Extract<EventBody, { type: 'node' }>;

/** How long an end that was asked for may take until it has been noted, milliseconds. */
export const endMaxMs = 30_000;

/**
 * A gateway whose program runs on another machine, or in a container, and is reached by a socket: what does not depend on how
 * it is started and ended there.
 */
export abstract class AttachedGateway {
  readonly name: string;
  readonly #note: (event: EventBody) => void;
  protected current: AttachedMember | undefined;
  protected runningPid: number | undefined;
  /** Somebody asked for the end that comes next. */
  protected meant = false;

  protected constructor(name: string, note: (event: EventBody) => void) {
    this.name = name;
    this.#note = note;
  }

  get pid(): number | undefined {
    return this.runningPid;
  }

  /** The connection to its program; undefined: none. */
  get member(): AttachedMember | undefined {
    return this.current;
  }

  async listeners(): Promise<string[]> {
    return (await this.attached().request<GatewayState>('state')).listeners;
  }

  async removeListeners(): Promise<void> {
    await this.attached().request('listenerDel');
  }

  async addListeners(): Promise<void> {
    await this.attached().request('listenerAdd');
  }

  /** Lets go of the program; it goes on. */
  detach(): void {
    this.meant = true;
    this.current?.close();
    this.current = undefined;
    this.runningPid = undefined;
  }

  /** Resolves when its end was noted. An infra error after `endMaxMs`. */
  protected async ended(): Promise<void> {
    const deadline = Date.now() + endMaxMs;
    while (this.runningPid !== undefined) {
      if (Date.now() >= deadline) throw infraError('GATEWAY_END', `${this.name} does not end`);
      await sleep(20);
    }
  }

  protected note(state: NodeState['state'], more: Partial<NodeState>): void {
    this.#note({ type: 'node', name: this.name, role: 'gateway', state, ...more });
  }

  /** Its pid. Throws when it does not run. */
  protected running(): number {
    if (this.runningPid === undefined) throw new Error(`${this.name} is not running`);
    return this.runningPid;
  }

  /** The connection to it. Throws when there is none. */
  protected attached(): AttachedMember {
    if (this.current === undefined) throw new Error(`${this.name} is not running`);
    return this.current;
  }
}
