import { AerResult, AsyncEvents, Status } from '../../nvme/index.js';
import type { Command } from './command.js';

/** The notices that this target sends. */
export type EventKind = 'namespace' | 'ana' | 'discovery';

const results = { namespace: AerResult.namespaceAttributes, ana: AerResult.anaChange, discovery: AerResult.discoveryChange } as const;
const configBits = { namespace: AsyncEvents.namespaceAttributes, ana: AsyncEvents.ana, discovery: AsyncEvents.discovery } as const;

/**
 * The Asynchronous Event Requests of one controller. Per kind of event:
 *
 *   idle ──raise──▶ pending ──request at hand──▶ masked ──log read with RAE = 0──▶ idle
 *
 * While masked, further events are not reported: the host is going to read the log, and finds them there.
 * The read clears the mask in the same turn in which the log's content is taken, so nothing falls in between.
 */
export class AsyncEventQueue {
  readonly #requestsMax: number;
  #requests: Command[] = [];
  readonly #pending = new Set<EventKind>();
  readonly #masked = new Set<EventKind>();
  /** Feature 0Bh as set. */
  #config: number;

  constructor(requestsMax: number, config: number) {
    this.#requestsMax = requestsMax;
    this.#config = config;
  }

  get config(): number {
    return this.#config;
  }

  set config(value: number) {
    this.#config = value;
    for (const kind of this.#pending) if (!this.#enabled(kind)) this.#pending.delete(kind);
  }

  request(command: Command): void {
    if (this.#requests.length >= this.#requestsMax) return command.fail(Status.asyncEventLimitExceeded, true);
    this.#requests.push(command);
    this.#deliver();
  }

  raise(kind: EventKind): void {
    if (!this.#enabled(kind) || this.#masked.has(kind)) return;
    this.#pending.add(kind);
    this.#deliver();
  }

  /** The log of this kind of event was read with RAE = 0. */
  logRead(kind: EventKind): void {
    this.#pending.delete(kind);
    this.#masked.delete(kind);
  }

  /** Aborts one request; false if `command` is none. */
  abort(command: Command): boolean {
    const at = this.#requests.indexOf(command);
    if (at < 0) return false;
    this.#requests.splice(at, 1);
    command.fail(Status.abortRequested, false);
    return true;
  }

  /** Controller reset: requests end, events are forgotten. */
  reset(): void {
    const requests = this.#requests;
    this.#requests = [];
    this.#pending.clear();
    this.#masked.clear();
    for (const command of requests) command.fail(Status.abortedSqDeletion, false);
  }

  #deliver(): void {
    for (const kind of this.#pending) {
      const command = this.#requests.shift();
      if (command === undefined) return;
      this.#pending.delete(kind);
      this.#masked.add(kind);
      command.succeed(results[kind]);
    }
  }

  #enabled(kind: EventKind): boolean {
    return (this.#config & configBits[kind]) !== 0;
  }
}
