import fs from 'node:fs';
import { join } from 'node:path';
import type { EventBody } from '../../history/events.js';
import { messageOf } from '../../util/errors.js';
import { classify, parseKernelRecord } from './kernel-log-facts.js';
import type { KernelRecord } from './kernel-log-facts.js';
import { catLines } from './line-source.js';
import type { LineSource, OpenLines } from './line-source.js';

export type KernelLogEvent = Extract<EventBody, { type: 'kernel.log' }> & {
  /** On the machine's own monotonic clock, microseconds. */
  ownUs: number;
};

export interface KernelLogOptions {
  dev: string;
  /** This machine's own monotonic clock, microseconds. */
  now: () => number;
  onEvent: (event: KernelLogEvent) => void;
  /** The log cannot be followed (any more), or something of it was lost. */
  onProblem: (message: string) => void;
  /** For tests. */
  open?: OpenLines;
  write?: (path: string, text: string) => void;
  markPeriodMs?: number;
}

/** The log's clock drifts by parts in ten thousand against CLOCK_MONOTONIC: this often keeps the error near a millisecond. */
export const markPeriodMs = 10_000;
/** `user` at level debug (syslog(3)): in the log, but on no console. */
const markPriority = 15;
const restartMs = 1_000;

/**
 * Follows the kernel's log from now on and tells the lines that matter.
 *
 * Its times are of a clock of its own (printk uses local_clock). What that is in CLOCK_MONOTONIC is measured
 * by writing marks into the log: the kernel stamps a mark between our two looks at the clock, which gives the
 * difference with half their distance as its error.
 */
export class KernelLog {
  readonly #options: KernelLogOptions;
  readonly #path: string;
  readonly #id = `pathproof clock mark ${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  readonly #marks = new Map<number, { fromUs: number; toUs: number }>();
  #nextMark = 1;
  /** Own clock − log clock. Undefined: no mark was read yet, so everything before it is history. */
  #offset: { us: number; errUs: number } | undefined;
  #sequence = -1;
  #source: LineSource | undefined;
  #timers: NodeJS.Timeout[] = [];
  #stopped = false;

  constructor(options: KernelLogOptions) {
    this.#options = options;
    this.#path = join(options.dev, 'kmsg');
  }

  start(): void {
    this.mark();
    this.#follow();
    this.#timers.push(setInterval(() => this.mark(), this.#options.markPeriodMs ?? markPeriodMs).unref());
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#source?.stop();
  }

  /** Writes a mark, now. */
  mark(): void {
    const number = this.#nextMark++;
    const fromUs = this.#options.now();
    try {
      (this.#options.write ?? fs.writeFileSync)(this.#path, `<${markPriority}>${this.#id} ${number}`);
    } catch (error) {
      return this.#options.onProblem(`no mark can be written to ${this.#path}: ${messageOf(error)}`);
    }
    this.#marks.set(number, { fromUs, toUs: this.#options.now() });
  }

  #follow(): void {
    if (this.#stopped) return;
    this.#source = (this.#options.open ?? catLines)(this.#path, (line) => this.#line(line));
    void this.#source.ended.then((why) => {
      if (this.#stopped) return;
      // A reader that is overtaken by the log's ring ends with EPIPE; what it had read is known by its sequence.
      this.#options.onProblem(`following ${this.#path} ended and begins again: ${why}`);
      this.#timers.push(setTimeout(() => this.#follow(), restartMs).unref());
    });
  }

  #line(line: string): void {
    const record = parseKernelRecord(line);
    if (record === undefined || record.sequence <= this.#sequence) return;
    const missed = record.sequence - this.#sequence - 1;
    const first = this.#sequence < 0;
    this.#sequence = record.sequence;
    if (this.#takeMark(record) || this.#offset === undefined) return;
    if (!first && missed > 0) this.#emit({ ...record, level: 'warning', message: `${missed} lines of the kernel's log were overwritten before they were read` }, { topic: 'lost' });
    const facts = classify(record);
    if (facts !== undefined) this.#emit(record, facts);
  }

  #takeMark({ message, logUs }: KernelRecord): boolean {
    if (!message.startsWith('pathproof clock mark ')) return false;
    const number = message.startsWith(`${this.#id} `) ? Number(message.slice(this.#id.length + 1)) : 0;
    const times = this.#marks.get(number);
    this.#marks.delete(number);
    if (times !== undefined) this.#offset = { us: (times.fromUs + times.toUs) / 2 - logUs, errUs: Math.ceil((times.toUs - times.fromUs) / 2) };
    return true;
  }

  #emit({ level, message, logUs }: KernelRecord, facts: { topic: KernelLogEvent['topic']; device?: string }): void {
    const { us, errUs } = this.#offset!;
    this.#options.onEvent({ type: 'kernel.log', level, message, ...facts, clockErrUs: errUs, ownUs: Math.round(logUs + us) });
  }
}
