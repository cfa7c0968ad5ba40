import { MonConnection } from './connection.js';
import type { ConnectionOptions, MonEndpoint } from './connection.js';
import { CephError, isPermanent } from './errors.js';
import type { HandshakeOptions, HandshakeResult, Reclaim } from './handshake.js';
import type { MonCandidates } from './candidates.js';
import { Timer } from './limits.js';
import type { Message } from './message.js';

export interface HunterOptions {
  candidates: MonCandidates;
  /** What does not change from one attempt to the next. */
  handshake: Omit<HandshakeOptions, 'target' | 'globalSeq' | 'reclaim'>;
  timers: Pick<ConnectionOptions, 'keepaliveMs' | 'keepaliveTimeoutMs'> & { huntMs: number; reconnectMs: number; reconnectMaxMs: number };
}

export interface HunterEvents {
  /** The handshake of an attempt is done; `win` may follow. */
  ready(connection: MonConnection): void;
  message(connection: MonConnection, message: Message): void;
  /** An attempt failed; `curable` is false if only a person can help. */
  failed(error: CephError, curable: boolean, endpoint: MonEndpoint): void;
  /** The connection that had won is gone; the next round is already planned. */
  lost(error: CephError): void;
}

/**
 * Finds a monitor, and finds one again whenever it is lost: rounds of parallel attempts with a time limit, pauses
 * that grow between them (MonClient::_reopen_session, _add_conns, tick).
 *
 * Whoever owns it decides which attempt wins; the others are let go then. Keeps what reclaims the global_id.
 */
export class MonHunter {
  readonly #o: HunterOptions;
  readonly #events: HunterEvents;
  /** Connections of the round at hand, with the result of the handshake once it is done. */
  readonly #attempts = new Map<MonConnection, HandshakeResult | undefined>();
  #winner: MonConnection | undefined;
  #identity: HandshakeResult | undefined;
  #reclaim: Reclaim | undefined;
  #lost: MonEndpoint | undefined;
  #globalSeq = 0n;
  /** Rounds without a winner since the last one. */
  #rounds = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: HunterOptions, events: HunterEvents) {
    this.#o = options;
    this.#events = events;
  }

  /** The connection that has won, while it lives. */
  get winner(): MonConnection | undefined {
    return this.#winner;
  }

  /** Of the connection that won last. */
  get identity(): HandshakeResult | undefined {
    return this.#identity;
  }

  /** Begins a round. Each of its attempts ends in `failed`, or in `win` and `lost`, or is dropped because another won. */
  hunt(): void {
    const { candidates, handshake, timers } = this.#o;
    for (const endpoint of candidates.next(this.#lost)) {
      this.#globalSeq += 1n;
      const connection: MonConnection = new MonConnection({
        endpoint,
        keepaliveMs: timers.keepaliveMs,
        keepaliveTimeoutMs: timers.keepaliveTimeoutMs,
        handshake: { ...handshake, globalSeq: this.#globalSeq, ...(this.#reclaim === undefined ? {} : { reclaim: this.#reclaim }) },
      }, {
        ready: (result) => {
          this.#attempts.set(connection, result);
          this.#events.ready(connection);
        },
        message: (message) => this.#events.message(connection, message),
        closed: (error) => this.#onClosed(connection, error),
      });
      this.#attempts.set(connection, undefined);
    }
    const roundMs = Math.min(timers.huntMs * Timer.backoffFactor ** this.#rounds, Math.max(timers.huntMs, Timer.huntMaxMs));
    this.#timer = setTimeout(() => {
      this.#dropAttempts(new CephError('MON_HANDSHAKE_TIMEOUT', `no handshake and monmap within ${Math.round(roundMs)} ms`));
    }, roundMs);
  }

  /** This attempt is the one. False: it has won before, or the round has its winner. */
  win(connection: MonConnection): boolean {
    const result = this.#attempts.get(connection);
    if (result === undefined || this.#winner !== undefined) return false;
    clearTimeout(this.#timer);
    this.#attempts.delete(connection);
    this.#winner = connection;
    this.#identity = result;
    this.#reclaim = result.reclaim;
    this.#rounds = 0;
    const { host, port } = connection.endpoint;
    this.#dropAttempts(new CephError('MON_CLOSED', `${host}:${port} was faster`));
    return true;
  }

  stop(error: CephError): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#dropAttempts(error);
    this.#winner?.close(error);
  }

  #dropAttempts(error: CephError): void {
    for (const attempt of [...this.#attempts.keys()]) attempt.close(error);
  }

  #onClosed(connection: MonConnection, error: CephError): void {
    if (connection === this.#winner) {
      this.#winner = undefined;
      this.#lost = connection.endpoint;
      if (!this.#stopped) this.#timer = setTimeout(() => this.hunt(), this.#o.timers.reconnectMs);
      return this.#events.lost(error);
    }
    this.#attempts.delete(connection);
    if (this.#winner !== undefined || this.#stopped) return;
    // What was kept from the last connection may be what the monitor does not like: the next attempt goes without.
    const permanent = isPermanent(error);
    const curable = !permanent || this.#reclaim !== undefined;
    if (permanent) this.#reclaim = undefined;
    this.#events.failed(error, curable, connection.endpoint);
    if (this.#attempts.size === 0) this.#pause(curable);
  }

  #pause(curable: boolean): void {
    clearTimeout(this.#timer);
    const { reconnectMs, reconnectMaxMs } = this.#o.timers;
    const pauseMs = curable ? Math.min(reconnectMs * Timer.backoffFactor ** this.#rounds, reconnectMaxMs) : reconnectMaxMs;
    this.#rounds += 1;
    this.#timer = setTimeout(() => this.hunt(), pauseMs);
  }
}
