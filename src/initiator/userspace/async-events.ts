import type { AsyncEvent } from '../../nvme/index.js';
import { asyncEventCommand, decodeAer } from '../../nvme/index.js';
import type { HostCounters } from './counters.js';
import type { Session } from './session.js';

/**
 * One outstanding Asynchronous Event Request, as the Linux host has it. It is armed again before its event
 * is looked at; the controller sends the next event of the same log only after that log was read.
 */
export class AsyncEvents {
  readonly #session: Session;
  readonly #counters: HostCounters;
  readonly #onEvent: (event: AsyncEvent, dw0: number) => void;

  constructor(session: Session, counters: HostCounters, onEvent: (event: AsyncEvent, dw0: number) => void) {
    this.#session = session;
    this.#counters = counters;
    this.#onEvent = onEvent;
  }

  start(): void {
    const answer = this.#session.command({ what: 'Asynchronous Event Request', encode: (cid) => asyncEventCommand({ cid }), timeoutMs: 0 });
    answer.then(
      ({ cqe }) => {
        this.#counters.aens += 1;
        this.start();
        this.#onEvent(decodeAer(cqe.dw0), cqe.dw0);
      },
      () => {
        // Refused (limit exceeded, aborted) or the connection is lost: Linux does not arm again either.
        if (!this.#session.closed) this.#counters.aerErrors += 1;
      },
    );
  }
}
