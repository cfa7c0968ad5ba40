import { nowUs } from '../../util/clock.js';
import { messageOf } from '../../util/errors.js';
import type { HostCounters } from './counters.js';
import { HostLimit } from './limits.js';
import type { Path } from './path.js';

/** The path that should become optimized. */
export interface ActivateRequest { nsUuid: string; nsid: number; anaGroup: number; path: string; controller: string; gateway: string }

/**
 * "Set namespace active": asks the target to make a path optimized, by whatever means it has (a gateway's
 * RPC, nvmet's configfs, a vendor command). Resolves when the target has taken the request. The target owns
 * ANA: whether the path becomes optimized is seen in its ANA log, not in this answer.
 */
export type ActivateHook = (request: ActivateRequest) => Promise<void>;

/** One activation, measured. Monotonic microseconds; null: has not happened. */
export interface ActivationRecord {
  path: string;
  requestedUs: number;
  acknowledgedUs: number | null;
  /** The controller announced an ANA change. */
  aenUs: number | null;
  optimizedUs: number | null;
  /** Why it failed: the hook's message, or `ACTIVATE_TIMEOUT`. */
  error: string | null;
}

interface Running { record: ActivationRecord; path: Path; timer: NodeJS.Timeout; resolve: (record: ActivationRecord) => void }

/** After a failed activation the next automatic one waits this long. */
const backoffMs = 1_000;

/** The activations of one namespace, one at a time. */
export class Activations {
  readonly records: ActivationRecord[] = [];
  readonly #hook: ActivateHook | null;
  readonly #timeoutMs: number;
  readonly #counters: HostCounters;
  readonly #nsUuid: string;
  readonly #again: () => void;
  #backoff: NodeJS.Timeout | undefined;
  #running: Running | undefined;
  #notBeforeUs = 0;
  #turn = 0;

  /** `again` is called when a failed activation may be repeated. */
  constructor(nsUuid: string, hook: ActivateHook | null, timeoutMs: number, counters: HostCounters, again: () => void) {
    this.#again = again;
    this.#nsUuid = nsUuid;
    this.#hook = hook;
    this.#timeoutMs = timeoutMs;
    this.#counters = counters;
  }

  /** No path is usable: asks for one of those whose controller could serve it, in turn. */
  wanted(paths: readonly Path[]): void {
    if (this.#hook === null || this.#running !== undefined || nowUs() < this.#notBeforeUs) return;
    const candidates = paths.filter((path) => path.controller.state === 'live' && path.ready && !path.usable && !path.coolingDown);
    const path = candidates[this.#turn++ % Math.max(1, candidates.length)];
    if (path !== undefined) void this.activate(path);
  }

  /** Rejects never; a record with `error` tells what went wrong. Without a hook, or while one runs, that is an error too. */
  activate(path: Path): Promise<ActivationRecord> {
    const record: ActivationRecord = { path: path.name, requestedUs: nowUs(), acknowledgedUs: null, aenUs: null, optimizedUs: null, error: null };
    if (this.#hook === null) return Promise.resolve({ ...record, error: 'NO_ACTIVATE_HOOK' });
    if (this.#running !== undefined) return Promise.resolve({ ...record, error: 'ACTIVATION_RUNNING' });
    this.records.push(record);
    if (this.records.length > HostLimit.activationsKept) this.records.shift();
    this.#counters.activations += 1;
    const hook = this.#hook;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#fail(record, 'ACTIVATE_TIMEOUT'), this.#timeoutMs);
      this.#running = { record, path, timer, resolve };
      const request = { nsUuid: this.#nsUuid, nsid: path.nsid, anaGroup: path.anaGroup, path: path.name, controller: path.controllerName, gateway: path.gateway };
      Promise.resolve().then(() => hook(request)).then(
        () => {
          record.acknowledgedUs = nowUs();
        },
        (error: unknown) => this.#fail(record, messageOf(error)),
      );
    });
  }

  /** Call when ANA states may have changed. */
  look(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { record, path } = running;
    if (path.controller.lastAnaAenUs >= record.requestedUs) record.aenUs ??= path.controller.lastAnaAenUs;
    if (!path.usable || !path.optimized) return;
    record.optimizedUs = nowUs();
    this.#end(running);
  }

  close(): void {
    if (this.#running !== undefined) this.#fail(this.#running.record, 'CLOSED');
    clearTimeout(this.#backoff);
  }

  #fail(record: ActivationRecord, error: string): void {
    const running = this.#running;
    if (running?.record !== record) return;
    record.error = error;
    this.#counters.activationsFailed += 1;
    this.#notBeforeUs = nowUs() + backoffMs * 1_000;
    this.#backoff = setTimeout(() => this.#again(), backoffMs + 1);
    this.#end(running);
  }

  #end(running: Running): void {
    clearTimeout(running.timer);
    this.#running = undefined;
    running.resolve(running.record);
  }
}
