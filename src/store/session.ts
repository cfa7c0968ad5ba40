import type { Image } from './image.js';
import { StoreLimit } from './limits.js';

/** Where the answers of a session go: its newest connection. */
export interface AnswerSink {
  /** `payload` null: none. `framed`: the buffer has room for the response header in front of the payload. */
  answer(op: number, status: number, id: number, answerNumber: number, payload: Buffer | null, framed: boolean): void;
  noticeFenced(): void;
  /** A newer connection has taken over. */
  replaced(): void;
}

interface GivenAnswer { status: number; number: number }

/**
 * What the store knows of one client instance across its connections: open images, operations under
 * way, and the answers to mutations that the client may not have got.
 *
 * A client whose connection breaks re-sends, on a new one and under the same ids, all that it has no
 * answer to. A mutation that was already applied must then be answered from `#answers`: applying it
 * again would undo a newer write to the same block. An answer is forgotten once the client confirms
 * an answer of at least its number. That is safe because
 *
 * - only the newest connection of a session is read (`connectSeq` tells a late hello from a new one);
 * - after a reconnect a client first re-sends, and confirms nothing new until it knows that all it
 *   re-sent has arrived. So the request for a lost answer always comes before the confirmation that
 *   would drop it, even if that connection breaks in the middle of the re-sending.
 *
 * This memory ends with the store's process (RADOS keeps it in the PG log): after a restart a re-sent
 * mutation whose answer was lost is applied once more, in the client's order of ids.
 */
export class Session {
  readonly address: string;
  readonly name: string;
  readonly instance: string;
  connectSeq = 0;
  sink: AnswerSink | null = null;
  readonly images = new Map<number, Image>();
  /** Ids of operations that have arrived and have no answer yet. */
  readonly underWay = new Set<number>();
  /** Data of reads under way, bytes. */
  promisedBytes = 0;
  readonly #answers = new Map<number, GivenAnswer>();
  /** (number, id) of answers in order of their numbers, flattened; `#oldest` is the first not yet dropped. */
  #given: number[] = [];
  #oldest = 0;
  #lastNumber = 0;

  constructor(address: string, name: string, instance: string) {
    this.address = address;
    this.name = name;
    this.instance = instance;
  }

  /** Status of the answer that this mutation already got; undefined if it is new. */
  answered(id: number): number | undefined {
    return this.#answers.get(id)?.status;
  }

  /** Gives an operation its answer, on the connection that the session has now, if any. */
  answer(op: number, status: number, id: number, remember: boolean, payload: Buffer | null = null, framed = false): void {
    this.underWay.delete(id);
    const number = ++this.#lastNumber;
    if (remember) {
      this.#answers.set(id, { status, number });
      this.#given.push(number, id);
    }
    this.sink?.answer(op, status, id, number, payload, framed);
  }

  /** The client has every answer up to `number`. */
  confirm(number: number): void {
    const given = this.#given;
    let at = this.#oldest;
    while (at < given.length && given[at]! <= number) {
      const id = given[at + 1]!;
      // Answered again under a higher number since: still unconfirmed.
      if (this.#answers.get(id)?.number === given[at]) this.#answers.delete(id);
      at += 2;
    }
    if (at > 4096 && at * 2 > given.length) {
      this.#given = given.slice(at);
      at = 0;
    }
    this.#oldest = at;
  }

  get unconfirmed(): number {
    return this.#answers.size;
  }
  get lastNumber(): number {
    return this.#lastNumber;
  }
  /** More work or memory than an honest client can cause. */
  get overLimit(): boolean {
    return this.underWay.size >= StoreLimit.inflightPerSessionMax
      || this.#given.length - this.#oldest >= 2 * StoreLimit.unconfirmedAnswersMax;
  }
}
