import { nowUs } from '../util/clock.js';
import type { PathproofError } from '../util/errors.js';
import { AppendFile } from './append-file.js';
import type { WriteSync } from './append-file.js';
import type { EventBody, EventType, HistoryEvent } from './events.js';

/** Longest time that an event of a high-rate type may wait in memory. Everything else is written at once. */
export const batchMaxMs = 20;
/** A batch that grows to this is written without waiting for the timer. */
export const batchMaxBytes = 256 * 1024;

/**
 * Types that members report periodically, several times a second each. Losing the last 20 ms of them to
 * a SIGKILL of the harness leaves a hole at the very end, which the checkers see as missing coverage; a
 * lost fault or path event would leave a wrong history. So only these wait.
 */
export const batchedTypes: ReadonlySet<EventType> = new Set<EventType>([
  'io.stats', 'host.path-io', 'observe.coverage', 'self.watch', 'host.counters', 'gw.state', 'store.state',
]);

/** Where an event comes from: the node and the estimate of its clock. */
export interface EventOrigin {
  node: string;
  /** Estimated node clock − harness clock, microseconds; subtracted from the event's time. */
  offUs: number;
  /** Bound of that estimate's error, microseconds. */
  errUs: number;
}
const harness: EventOrigin = { node: 'harness', offUs: 0, errUs: 0 };

export interface HistoryWriterOptions {
  /** Called once, with an infra error (DISK_FULL, FILE_WRITE_FAILED), when the history can no longer be written. */
  onError?: (error: PathproofError) => void;
  /** For tests: stands in for fs.writeSync. */
  writeSync?: WriteSync;
}
export type HistoryListener = (event: HistoryEvent) => void;

/**
 * Appends events to history.ndjson and hands each to live listeners (status line, conditions that the
 * runner waits for). One writer per run, in the harness process; members report to it.
 */
export class HistoryWriter {
  readonly #file: AppendFile;
  readonly #onError: ((error: PathproofError) => void) | undefined;
  readonly #listeners = new Set<HistoryListener>();
  #seq = 0;
  #pending: string[] = [];
  #pendingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #reported = false;
  #closed = false;

  private constructor(file: AppendFile, options: HistoryWriterOptions) {
    this.#file = file;
    this.#onError = options.onError;
  }

  /** Creates the file. Throws an infra error (FILE_EXISTS, FILE_OPEN_FAILED). */
  static open(path: string, options: HistoryWriterOptions = {}): HistoryWriter {
    return new HistoryWriter(new AppendFile(path, options.writeSync), options);
  }

  /** How many events were appended. */
  get count(): number {
    return this.#seq;
  }

  /**
   * Stamps and appends one event. `tUs` is in the origin's clock; without it the event is now, here.
   * Never throws for a file that cannot be written: see `onError`. Events after `close` are dropped, and
   * undefined is returned: members may still talk while the run ends.
   */
  append(body: EventBody & { tUs?: number }, origin: EventOrigin = harness): HistoryEvent | undefined {
    if (this.#closed) return undefined;
    const now = nowUs();
    const tUs = body.tUs === undefined ? now : body.tUs - origin.offUs;
    const event: HistoryEvent = {
      seq: ++this.#seq,
      tUs,
      wallMs: Math.round(Date.now() - (now - tUs) / 1_000),
      node: origin.node,
      offUs: origin.offUs,
      errUs: origin.errUs,
      ...withoutTime(body),
    };
    const line = `${JSON.stringify(event)}\n`;
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (!batchedTypes.has(body.type) || this.#pendingBytes >= batchMaxBytes) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), batchMaxMs);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  /** Calls `listener` with each event from now on, after it was handed to the file. Returns how to stop that. */
  on(listener: HistoryListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.length === 0) return;
    const text = this.#pending.length === 1 ? this.#pending[0]! : this.#pending.join('');
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#file.write(Buffer.from(text, 'utf8'));
    this.#reportFailure();
  }

  /** Writes what waits, syncs and closes; safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#listeners.clear();
    this.#file.close();
    this.#reportFailure();
  }

  #reportFailure(): void {
    if (this.#file.failure === undefined || this.#reported) return;
    this.#reported = true;
    this.#onError?.(this.#file.failure);
  }
}

/** The stamp's time goes first in the line, so the body's must not come again. */
function withoutTime(body: EventBody & { tUs?: number }): EventBody {
  const { tUs: _, ...rest } = body;
  return rest;
}
