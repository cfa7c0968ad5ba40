/** Longest line accepted; a full histogram line of 1856 bins is below 40 KiB. */
export const LOG_LINE_MAX = 262_144;

/** A line with its place. `offset` counts bytes of the (unpacked) log. */
export interface RawLine {
  readonly text: string;
  readonly line: number;
  readonly offset: number;
  /** The last line, without a newline: it was cut off. */
  readonly cut: boolean;
  /** Longer than LOG_LINE_MAX; `text` is only the beginning. */
  readonly tooLong: boolean;
}

/** Cuts bytes into lines, in batches, holding at most one line and one chunk. Logs are ASCII. */
export async function* rawLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<RawLine[], void, void> {
  let rest = '';
  let skipping = false;
  let line = 1;
  let offset = 0;
  for await (const chunk of chunks) {
    const text = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const batch: RawLine[] = [];
    let from = 0;
    for (let newline = text.indexOf('\n'); newline >= 0; newline = text.indexOf('\n', from)) {
      const length = newline - from;
      if (skipping) skipping = false;
      else batch.push(rawLine(text.slice(from, newline), line, offset, false, length > LOG_LINE_MAX));
      line += 1;
      offset += length + 1;
      from = newline + 1;
    }
    rest = text.slice(from);
    if (rest.length > LOG_LINE_MAX) {
      // Told once, then dropped up to the next newline: memory stays bounded.
      if (!skipping) batch.push(rawLine(rest, line, offset, false, true));
      skipping = true;
      offset += rest.length;
      rest = '';
    }
    if (batch.length > 0) yield batch;
  }
  if (rest !== '' && !skipping) yield [rawLine(rest, line, offset, true, false)];
}

function rawLine(text: string, line: number, offset: number, cut: boolean, tooLong: boolean): RawLine {
  const whole = tooLong ? text.slice(0, 100) : text;
  return { text: whole.endsWith('\r') ? whole.slice(0, -1) : whole, line, offset, cut, tooLong };
}
