import { StringDecoder } from 'node:string_decoder';
import { parseFioEta, type FioEta } from 'fio-parser';

/** A line longer than this is handed over in parts, characters: fio's own are shorter. */
const lineCharsMax = 65_536;

/**
 * Takes fio's standard output apart while it comes: progress lines (`--eta=always`) on one side, everything else on the
 * other. fio rewrites its progress in place, so lines end with carriage returns, too.
 */
export class EtaStream {
  readonly #onEta: (eta: FioEta) => void;
  readonly #onOther: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #line = '';

  constructor(onEta: (eta: FioEta) => void, onOther: (text: string) => void) {
    this.#onEta = onEta;
    this.#onOther = onOther;
  }

  write(chunk: Uint8Array): void {
    this.#text(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  /** What is left over is a line, too. */
  end(): void {
    this.#text(this.#decoder.end());
    if (this.#line !== '') this.#take(this.#line, '');
    this.#line = '';
  }

  #text(text: string): void {
    const lines = (this.#line + text).split(/[\r\n]/);
    this.#line = lines.pop()!;
    for (const line of lines) this.#take(line, '\n');
    if (this.#line.length > lineCharsMax) {
      this.#onOther(this.#line);
      this.#line = '';
    }
  }

  #take(line: string, end: string): void {
    const eta = parseFioEta(line);
    if (eta !== undefined) this.#onEta(eta);
    else if (line.trim() !== '') this.#onOther(line + end);
  }
}
