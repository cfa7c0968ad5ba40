import { open } from 'node:fs/promises';
import type { HistoryEvent } from './events.js';

/** Problems that are told one by one; the rest is a count. */
export const historyProblemsMax = 100;
/** A line longer than this is no event: the file is not a history. */
export const historyLineMaxBytes = 16 * 1024 * 1024;
const readBytes = 1024 * 1024;
const newline = 0x0a;

export interface HistoryContents {
  /** In file order. Events of types that this version does not know are kept as they are. */
  events: HistoryEvent[];
  /** What could not be read or is missing, in words. Empty: the history is whole as far as it goes. */
  problems: string[];
}

/**
 * Reads history.ndjson. Never throws for bad contents, only when the file cannot be opened or read: a
 * killed harness leaves a torn last line, and everything before it still counts. Whether the run came
 * to its end is what the event `run.end` says, not this reader.
 */
export async function readHistory(path: string): Promise<HistoryContents> {
  const parser = new HistoryParser();
  const file = await open(path, 'r');
  try {
    let rest: Buffer[] = [];
    let restBytes = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(readBytes), 0, readBytes, null);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      let from = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
        const tail = chunk.subarray(from, end);
        parser.line(rest.length === 0 ? tail.toString('utf8') : Buffer.concat([...rest, tail]).toString('utf8'));
        rest = [];
        restBytes = 0;
        from = end + 1;
      }
      if (from === bytesRead) continue;
      rest.push(chunk.subarray(from));
      restBytes += bytesRead - from;
      if (restBytes > historyLineMaxBytes) {
        parser.problem(`line ${parser.lines + 1} is longer than ${historyLineMaxBytes} bytes; reading stops there`);
        rest = [];
        break;
      }
    }
    if (rest.length > 0) parser.tail(Buffer.concat(rest).toString('utf8'));
  } finally {
    await file.close();
  }
  return parser.end();
}

class HistoryParser {
  lines = 0;
  readonly #events: HistoryEvent[] = [];
  readonly #problems: string[] = [];
  #untold = 0;
  #seq = 0;

  line(text: string): void {
    this.lines++;
    if (text === '') return this.problem(`line ${this.lines} is empty`);
    const event = parseEvent(text);
    if (event === undefined) return this.problem(`line ${this.lines} is no event: ${text.slice(0, 60)}`);
    this.#take(event);
  }

  /** The text after the last newline: a line whose writing was cut short, or whole but for its newline. */
  tail(text: string): void {
    this.lines++;
    const event = parseEvent(text);
    if (event === undefined) this.problem(`the last line (${this.lines}) is torn: the writer was stopped in it`);
    else this.#take(event);
  }

  problem(text: string): void {
    if (this.#problems.length < historyProblemsMax) this.#problems.push(text);
    else this.#untold++;
  }

  end(): HistoryContents {
    const problems = this.#untold === 0 ? this.#problems : [...this.#problems, `and ${this.#untold} more problems`];
    return { events: this.#events, problems };
  }

  #take(event: HistoryEvent): void {
    const expected = this.#seq + 1;
    if (event.seq > expected) {
      const missing = event.seq - expected;
      this.problem(`${missing} event${missing === 1 ? '' : 's'} missing before line ${this.lines}: seq goes from ${this.#seq} to ${event.seq}`);
    } else if (event.seq < expected) {
      this.problem(`line ${this.lines} has seq ${event.seq} after ${this.#seq}: events repeated or out of order`);
    }
    this.#seq = Math.max(this.#seq, event.seq);
    this.#events.push(event);
  }
}

/** Only what every event has is checked: a later version may add types and fields. */
function parseEvent(text: string): HistoryEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const event = value as Partial<HistoryEvent>;
  if (!Number.isSafeInteger(event.seq) || typeof event.tUs !== 'number' || typeof event.type !== 'string' || typeof event.node !== 'string') return undefined;
  return value as HistoryEvent;
}
