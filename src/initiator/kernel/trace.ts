import fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../util/errors.js';
import { catLines } from './line-source.js';
import type { LineSource, OpenLines } from './line-source.js';
import { parseTraceLine } from './trace-lines.js';

/** Times are CLOCK_MONOTONIC, microseconds. */
export type TraceFact =
  | { kind: 'aen'; ownUs: number; controller: string; result: number }
  /** The ANA log page was there at `ownUs`. `status`: SCT << 8 | SC. */
  | { kind: 'ana-log'; ownUs: number; controller: string; tookUs: number; status: number };

export interface TraceOptions {
  /** Where tracefs is mounted. */
  tracing: string;
  /** Of the instance that is made there. */
  name: string;
  onFact: (fact: TraceFact) => void;
  onProblem: (message: string) => void;
  open?: OpenLines;
}

/** An admin command that has not ended after so many others is forgotten. */
const askedMax = 64;

/**
 * The kernel's own word on asynchronous events and on reads of the ANA log, with its own times: a trace
 * instance of our own (Documentation/trace/ftrace.rst, "Instances"), on the monotonic clock, with events of
 * the admin queue only. A kernel without tracefs or without these events says so once. Checkers take its silence for
 * proof only if nothing was said of a trace that is missing or has lost something (verify/look-gaps.ts).
 */
export class NvmeTrace {
  readonly #options: TraceOptions;
  readonly #folder: string;
  readonly #asked = new Map<string, number>();
  #source: LineSource | undefined;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#folder = join(options.tracing, 'instances', options.name);
  }

  /** False: there is no trace here; `onProblem` has heard why. */
  start(): boolean {
    try {
      fs.mkdirSync(this.#folder, { recursive: true });
      this.#set('trace_clock', 'mono');
      this.#enable('nvme_async_event');
      this.#enable('nvme_setup_cmd', 'qid == 0 && opcode == 2');
      this.#enable('nvme_complete_rq', 'qid == 0');
      this.#set('tracing_on', '1');
    } catch (error) {
      this.#options.onProblem(`tracefs gives no NVMe events: ${messageOf(error)}`);
      this.#remove();
      return false;
    }
    const source = (this.#options.open ?? catLines)(join(this.#folder, 'trace_pipe'), (line) => this.#line(line));
    this.#source = source;
    void source.ended.then((why) => {
      if (this.#source === source) this.#options.onProblem(`the trace has lost its reader: ${why}`);
    });
    return true;
  }

  async stop(): Promise<void> {
    const source = this.#source;
    if (source === undefined) return;
    this.#source = undefined;
    source.stop();
    // An instance that is being read cannot be removed.
    await source.ended;
    this.#remove();
  }

  #enable(event: string, filter?: string): void {
    if (filter !== undefined) this.#set(`events/nvme/${event}/filter`, filter);
    this.#set(`events/nvme/${event}/enable`, '1');
  }

  #set(file: string, text: string): void {
    fs.writeFileSync(join(this.#folder, file), text);
  }

  #remove(): void {
    try {
      fs.rmdirSync(this.#folder);
    } catch {
      // It was never made, or is no instance: nothing of ours stays but an empty folder.
    }
  }

  #line(text: string): void {
    const line = parseTraceLine(text);
    switch (line?.kind) {
      case undefined:
        return;
      case 'lost':
        return this.#options.onProblem(`the trace has lost ${line.count} events`);
      case 'aen':
        return this.#options.onFact({ kind: 'aen', ownUs: line.tUs, controller: line.controller, result: line.result });
      case 'ana-log-asked':
        this.#asked.delete(`${line.controller}:${line.cid}`);
        this.#asked.set(`${line.controller}:${line.cid}`, line.tUs);
        if (this.#asked.size > askedMax) this.#asked.delete(this.#asked.keys().next().value!);
        return;
      case 'admin-done': {
        const key = `${line.controller}:${line.cid}`;
        const askedUs = this.#asked.get(key);
        if (askedUs === undefined) return;
        this.#asked.delete(key);
        return this.#options.onFact({ kind: 'ana-log', ownUs: line.tUs, controller: line.controller, tookUs: line.tUs - askedUs, status: line.status });
      }
    }
  }
}
