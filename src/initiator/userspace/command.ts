import type { Cqe } from '../../nvme/index.js';
import { AdminOpcode, statusName } from '../../nvme/index.js';
import { CommandFailed } from './loss.js';
import type { ConnectionLost, LossCause } from './loss.js';

/** What a write looks like to a hook that may hold its data phase. */
export interface CommandDescription { opcode: number; nsid: number; slba: number; nlb: number }

/**
 * A command as a queue pair carries it. Exactly one of `onAnswer` and `onLost` is called, once, unless
 * the owner gives the command up with `QueuePair.orphan`.
 */
export interface QueuedCommand {
  /** Host to controller data; must not change until the command's end. */
  readonly payload: Buffer | null;
  /** Controller to host data expected, bytes. */
  readonly readBytes: number;
  /** Fewer bytes than `readBytes` with a success status are a protocol error (I/O), or just fewer bytes (log pages). */
  readonly exactRead: boolean;
  /** Milliseconds from being sent to the answer; 0: none (AER). */
  readonly timeoutMs: number;
  readonly timeoutCause: Extract<LossCause, 'io-timeout' | 'admin-timeout' | 'keep-alive-timeout'>;
  /** The 64 bytes of the SQE. `inCapsule`: the payload follows in the capsule. */
  encode(cid: number, inCapsule: boolean): Buffer;
  describe(): CommandDescription;
  onSent(): void;
  /** `data`: what arrived of a read, else null. */
  onAnswer(cqe: Cqe, data: Buffer | null): void;
  /** `sent`: it was on the wire, so it may have been executed. */
  onLost(lost: ConnectionLost, sent: boolean): void;
}

export interface AdminAnswer { cqe: Cqe; data: Buffer }

export interface AdminSpec {
  /** For messages. */
  what: string;
  /** The SQE; `payload`, if any, goes in the capsule. */
  encode: (cid: number) => Buffer;
  payload?: Buffer;
  readBytes?: number;
  timeoutMs: number;
  timeoutCause?: QueuedCommand['timeoutCause'];
}

const noBytes = Buffer.alloc(0);

/** An admin or Fabrics command whose end is a promise: rejects with `CommandFailed` or `ConnectionLost`. */
export class AdminCommand implements QueuedCommand {
  readonly payload: Buffer | null;
  readonly readBytes: number;
  readonly exactRead = false;
  readonly timeoutMs: number;
  readonly timeoutCause: QueuedCommand['timeoutCause'];
  readonly answer: Promise<AdminAnswer>;
  readonly #spec: AdminSpec;
  #resolve!: (answer: AdminAnswer) => void;
  #reject!: (error: Error) => void;

  constructor(spec: AdminSpec) {
    this.#spec = spec;
    this.payload = spec.payload ?? null;
    this.readBytes = spec.readBytes ?? 0;
    this.timeoutMs = spec.timeoutMs;
    this.timeoutCause = spec.timeoutCause ?? 'admin-timeout';
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  encode(cid: number): Buffer {
    return this.#spec.encode(cid);
  }

  describe(): CommandDescription {
    return { opcode: AdminOpcode.fabrics, nsid: 0, slba: 0, nlb: 0 };
  }

  onSent(): void {
    // Nothing to note: an admin command is never replayed.
  }

  onAnswer(cqe: Cqe, data: Buffer | null): void {
    if (cqe.status === 0) this.#resolve({ cqe, data: data ?? noBytes });
    else this.#reject(new CommandFailed(this.#spec.what, cqe.status, statusName(cqe.status), cqe.dnr));
  }

  onLost(lost: ConnectionLost): void {
    this.#reject(lost);
  }
}
