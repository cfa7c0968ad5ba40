import { keepAliveCommand } from '../../nvme/index.js';
import { nowUs } from '../../util/clock.js';
import type { HostCounters } from './counters.js';
import { CommandFailed } from './loss.js';
import type { LossCause } from './loss.js';
import type { Session } from './session.js';

/**
 * Keep Alive as the Linux host runs it (nvme_keep_alive_work): every KATO/2, each with a timeout of KATO;
 * with traffic based keep-alive (TBKAS) every KATO/4, and none if commands were answered meanwhile. So
 * silence is noticed after KATO to 1.5 × KATO.
 */
export class KeepAlive {
  readonly #session: Session;
  readonly #katoMs: number;
  readonly #counters: HostCounters;
  readonly #fail: (reason: LossCause, message: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #answersSeen = 0;
  #stopped = false;

  constructor(session: Session, katoMs: number, counters: HostCounters, fail: (reason: LossCause, message: string) => void) {
    this.#session = session;
    this.#katoMs = katoMs;
    this.#counters = counters;
    this.#fail = fail;
  }

  get periodMs(): number {
    return this.#katoMs / (this.#session.tbkas ? 4 : 2);
  }

  start(): void {
    if (this.#katoMs > 0) this.#schedule(this.periodMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#beat(), ms);
  }

  async #beat(): Promise<void> {
    const { answers } = this.#session;
    const busy = this.#session.tbkas && answers !== this.#answersSeen;
    this.#answersSeen = answers;
    if (busy) {
      this.#counters.keepAlivesSkipped += 1;
      return this.#schedule(this.periodMs);
    }
    const sentUs = nowUs();
    this.#counters.keepAlivesSent += 1;
    try {
      await this.#session.command({
        what: 'Keep Alive', encode: (cid) => keepAliveCommand({ cid }), timeoutMs: this.#katoMs, timeoutCause: 'keep-alive-timeout',
      });
    } catch (error) {
      // A lost connection reports itself; only an error status is for us to judge.
      if (error instanceof CommandFailed) this.#fail('keep-alive-error', error.message);
      return;
    }
    // Its own answer is no traffic.
    this.#answersSeen += 1;
    const rttMs = (nowUs() - sentUs) / 1_000;
    this.#schedule(Math.max(0, this.periodMs - rttMs));
  }
}
