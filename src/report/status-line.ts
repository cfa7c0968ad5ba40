import { plainText } from './escape.js';
import { formatCount } from './format.js';
import { painterFor } from './paint.js';

/** What the status line needs of a stream: `process.stdout` has it. */
export interface StatusStream {
  isTTY?: boolean;
  /** Read at every update, so that a resized window is respected. */
  columns?: number;
  write(text: string): unknown;
}

export interface Status {
  /** Since the run's start. */
  elapsedMs: number;
  iops: number;
  mibPerS: number;
  /** Of the fio jobs that run; undefined: none does. */
  fioIops?: number | undefined;
  /** ANA group (1-based, as a decimal string) → the gateway that is optimized in it, null: none. */
  owners: Readonly<Record<string, string | null>>;
  /** The current fault in words, null: none. */
  fault: string | null;
  phase: string;
}

/** Without a terminal, one line this often. */
const plainPeriodMs = 5_000;
const columnsDefault = 80;
const ownersBesideFault = 6;
/** Carriage return, then erase the whole line (ECMA-48 CR, EL 2). */
const clearLine = '\r\x1b[2K';

/**
 * One line that says how the run stands. On a terminal it is rewritten in place and never wraps; anywhere
 * else it becomes a plain line every five seconds of the run, so that a log stays readable.
 */
export class StatusLine {
  readonly #stream: StatusStream;
  readonly #env: Record<string, string | undefined>;
  #live = '';
  #ended = false;
  #lastPlainMs = -Infinity;

  constructor(stream: StatusStream, env: Record<string, string | undefined> = process.env) {
    this.#stream = stream;
    this.#env = env;
  }

  update(status: Status): void {
    if (this.#ended) return;
    if (this.#stream.isTTY !== true) {
      if (status.elapsedMs - this.#lastPlainMs < plainPeriodMs) return;
      this.#lastPlainMs = status.elapsedMs;
      this.#stream.write(`${words(status).map(([text]) => text).join('  ')}\n`);
      return;
    }
    const line = this.#fit(words(status));
    if (line === this.#live) return;
    this.#live = line;
    this.#stream.write(clearLine + line);
  }

  /** A line that stays, above the live one. */
  note(line: string): void {
    if (this.#stream.isTTY !== true || this.#live === '') this.#stream.write(`${line}\n`);
    else this.#stream.write(`${clearLine}${line}\n${this.#live}`);
  }

  /** Takes the live line away; what is written from now on starts on a clean line. Later updates are ignored. */
  end(): void {
    if (this.#stream.isTTY === true && this.#live !== '') this.#stream.write(clearLine);
    this.#live = '';
    this.#ended = true;
  }

  /** Cuts to the terminal's width before colouring: an escape sequence must not be cut, and takes no column. */
  #fit(parts: readonly Part[]): string {
    const painter = painterFor(this.#stream, this.#env);
    // The last column stays free: writing it makes some terminals wrap.
    const room = Math.max(1, (this.#stream.columns ?? 0) > 0 ? this.#stream.columns! - 1 : columnsDefault - 1);
    const texts = parts.map(([text], index) => [...(index === 0 ? text : `  ${text}`)]);
    const cut = texts.reduce((sum, text) => sum + text.length, 0) > room;
    let left = cut ? room - 1 : room;
    const out = texts.map((text, index) => {
      const shown = text.slice(0, left).join('');
      left -= Math.min(left, text.length);
      const kind = parts[index]![1];
      return kind === 'plain' || shown === '' ? shown : painter[kind](shown);
    });
    if (cut) out.push('…');
    return out.join('');
  }
}

type Part = readonly [text: string, kind: 'plain' | 'bold' | 'dim' | 'alarm' | 'notice'];

/** Most important first: what does not fit is cut at the end. */
function words(status: Status): Part[] {
  const parts: Part[] = [
    [`${(status.elapsedMs / 1_000).toFixed(1).padStart(5)} s`, 'bold'],
    [`${formatCount(Math.round(status.iops)).padStart(6)} IOPS`, 'plain'],
    [`${status.mibPerS.toFixed(1).padStart(6)} MiB/s`, 'plain'],
    ...(status.fioIops === undefined ? [] : [[`fio ${formatCount(Math.round(status.fioIops))} IOPS`, 'plain'] as Part]),
  ];
  const owners = Object.entries(status.owners).sort(([a], [b]) => Number(a) - Number(b));
  const fault: Part[] = status.fault === null ? [] : [[`fault ${plainText(status.fault)}`, 'notice']];
  // Many owners fill the line: then the fault goes first.
  const many = owners.length > ownersBesideFault;
  if (many) parts.push(...fault);
  if (owners.length > 0) {
    const text = owners.map(([group, gateway]) => `${plainText(group)}:${gateway === null ? '–' : plainText(gateway)}`).join(' ');
    parts.push([`owners ${text}`, owners.some(([, gateway]) => gateway === null) ? 'alarm' : 'plain']);
  }
  if (!many) parts.push(...fault);
  parts.push([plainText(status.phase), 'dim']);
  return parts;
}
