import { StringDecoder } from 'node:string_decoder';

/** A report longer than this is none: a job of a thousand sections has a tenth of it. Characters. */
export const reportCharsMax = 64 * 1_048_576;

/**
 * Takes fio's standard output apart while it comes: whole JSON reports on one side, everything else (warnings, errors,
 * a report that was cut off) on the other. fio prints the braces of a report alone on their lines and everything
 * inside indented; lines that it prints into a report stay in it, its reader knows them.
 */
export class ReportStream {
  readonly #onReport: (text: string) => void;
  readonly #onOther: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #line = '';
  /** Lines of the report that is open; undefined: none is. */
  #open: string[] | undefined;
  #openChars = 0;

  constructor(onReport: (text: string) => void, onOther: (text: string) => void) {
    this.#onReport = onReport;
    this.#onOther = onOther;
  }

  write(chunk: Uint8Array): void {
    this.#text(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** What is left over belongs to no whole report. */
  end(): void {
    this.#text(this.#decoder.end());
    if (this.#line === '}' && this.#open !== undefined) this.#take('}');
    else if (this.#line !== '') this.#take(this.#line);
    this.#line = '';
    this.#giveUp();
  }

  #text(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop()!;
    for (const line of lines) this.#take(`${line}\n`);
  }

  #take(line: string): void {
    const bare = line.trimEnd();
    // A second opening brace in the first column: the report before it never ended.
    if (bare === '{') this.#giveUp();
    if (this.#open === undefined) {
      if (bare !== '{') return this.#onOther(line);
      this.#open = [];
      this.#openChars = 0;
    }
    this.#open.push(line);
    this.#openChars += line.length;
    if (bare === '}') {
      const text = this.#open.join('');
      this.#open = undefined;
      this.#onReport(text);
    } else if (this.#openChars > reportCharsMax) {
      this.#giveUp();
    }
  }

  #giveUp(): void {
    if (this.#open === undefined) return;
    const text = this.#open.join('');
    this.#open = undefined;
    this.#onOther(text);
  }
}
