import { randomBytes } from 'node:crypto';
import type { AnaStateName, EventBody } from '../../../history/events.js';
import { HostCounters } from '../../../initiator/userspace/counters.js';
import { DataHolds } from '../../../initiator/userspace/data-hold.js';
import { HostLimit } from '../../../initiator/userspace/limits.js';
import { CommandFailed, ConnectionLost } from '../../../initiator/userspace/loss.js';
import { Session } from '../../../initiator/userspace/session.js';
import type { AnaLog } from '../../../nvme/index.js';
import { nowUs, sleep } from '../../../util/clock.js';

export interface TargetWordOptions {
  gateway: string;
  subNqn: string;
  /** A host that may use the subsystem. */
  hostNqn: string;
  /** Where it listens, as its own host sees it, `address:port`. */
  listener: string;
  /** Makes a unix socket of this machine that leads to the listener, through the gateway's own host; resolves to its path. */
  open: () => Promise<string>;
  /** `errUs`: the state was that at some time within so many microseconds before. */
  emit: (event: EventBody, errUs: number) => void;
  periodMs?: number;
}

const usualPeriodMs = 200;
/** The same is told again after this, for those who want to know that somebody still looks. */
const repeatMs = 1_000;
const answerMaxMs = 5_000;
const reopenMs = 300;

/**
 * A target's own word about its ANA groups, for gateways that have no program of ours: an admin queue at the gateway (NVMe/TCP,
 * no I/O queues), on which the ANA log page is read again and again (NVMe base specification 2.1, 5.2.12.1.13). It gets there by the
 * gateway's host and not by the network of the hosts, so that it sees the target while a host does not.
 *
 * Emits `gw.state`. A target that refuses the connection, or the Connect command, does not serve; one that does not answer has said nothing.
 */
export class TargetWord {
  readonly #o: TargetWordOptions;
  readonly #running: Promise<void>;
  #stopped = false;
  #session: Session | undefined;
  #told = '';
  #toldMs = 0;

  constructor(options: TargetWordOptions) {
    this.#o = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#session?.close(new ConnectionLost('deleted', 'nobody wants to know any more'));
    await this.#running;
  }

  async #run(): Promise<void> {
    let socketPath: string | undefined;
    while (!this.#stopped) {
      const triedUs = nowUs();
      try {
        socketPath ??= await this.#o.open();
        await this.#listen(socketPath);
      } catch (error) {
        if (this.#stopped) return;
        const reason = error instanceof ConnectionLost ? error.reason : undefined;
        // At an address that another subsystem still has, SPDK takes the connection and refuses the Connect command.
        if (error instanceof CommandFailed || (reason !== undefined && refusals.includes(reason))) this.#tell({}, 0, false, nowUs() - triedUs);
        // Whoever led there is gone, too.
        else if (reason !== 'connect-timeout') socketPath = undefined;
      }
      await sleep(reopenMs);
    }
  }

  /** One association, until it is lost. Throws where none comes about. */
  async #listen(socketPath: string): Promise<void> {
    const { gateway, subNqn, hostNqn, periodMs = usualPeriodMs } = this.#o;
    const session: Session = this.#session = new Session({
      subNqn, hostNqn, hostId: randomBytes(16), controller: 'target-word', gateway, host: 'localhost', port: 0, socketPath,
      ioQueues: 0, queueSize: HostLimit.adminQueueEntries, headerDigest: false, dataDigest: false, maxR2t: 1, disableSqFlow: false,
      // No keep-alive: it is asked all the time, and ends with its TCP connection.
      katoMs: 0, adminTimeoutMs: answerMaxMs, connectTimeoutMs: answerMaxMs,
      counters: new HostCounters(), holds: new DataHolds(), claimCntlid: () => true,
    }, { onDown: (lost) => session.close(lost), onAna: () => undefined, onAen: () => undefined });
    try {
      await session.openAdmin();
    } catch (error) {
      session.close(error instanceof ConnectionLost ? error : new ConnectionLost('connect-failed', 'it could not be set up'));
      throw error;
    }
    try {
      while (!this.#stopped && !session.closed) {
        const askedUs = nowUs();
        const log = await session.readAnaLog();
        this.#tellLog(log, nowUs() - askedUs);
        await sleep(periodMs);
      }
    } catch {
      // Lost: the next try shows whether anybody still listens.
    } finally {
      if (!session.closed) {
        await session.shutdown(HostLimit.shutdownMaxMs);
        session.close(new ConnectionLost('deleted', 'not wanted any more'));
      }
    }
  }

  #tellLog({ groups }: AnaLog, errUs: number): void {
    this.#tell(Object.fromEntries(groups.map(({ id, state }) => [String(id), state])), groups.reduce((sum, { nsids }) => sum + nsids.length, 0), true, errUs);
  }

  #tell(ana: Record<string, AnaStateName>, namespaces: number, serving: boolean, errUs: number): void {
    const { gateway, listener, emit } = this.#o;
    const text = JSON.stringify([ana, namespaces, serving]);
    if (text === this.#told && Date.now() - this.#toldMs < repeatMs) return;
    this.#told = text;
    this.#toldMs = Date.now();
    emit({ type: 'gw.state', gateway, ana, listeners: serving ? [listener] : [], namespaces, serving }, errUs);
  }
}

/** ssh has taken the connection, and has ended it again: nobody listens at its other end. */
const refusals: readonly string[] = ['transport-closed', 'transport-reset'];
