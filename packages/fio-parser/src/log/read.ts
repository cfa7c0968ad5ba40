import { FioParseError, PROBLEMS_MAX, type Problem, type ProblemCode, type Severity } from '../errors.js';
import { inflateAll, InflateError, type Packing } from './inflate.js';
import { fits, fittingLayouts } from './layout.js';
import { LOG_LINE_MAX, rawLines, type RawLine } from './lines.js';
import { recordOf } from './record.js';
import { openLog, type LogSource } from './source.js';
import { PROBE_BYTES, sampleSize, storedLayout, storedSample, type StoredLayout } from './stored.js';
import { LOG_COLUMNS, type LogColumn, type LogOptions, type LogRecord, type LogSummary } from './types.js';

/** Lines looked at before the columns are decided. */
const SAMPLE_LINES = 64;
/** Most lines looked at, when a single chunk holds more. */
const DECIDE_LINES_MAX = 1024;

/**
 * Reads a latency, bandwidth or IOPS log: text, gzipped text, or what fio writes with `log_store_compressed=1`
 * (`.fz`), told apart by the first bytes. Memory does not grow with the log: one chunk, one line, and the first
 * SAMPLE_LINES lines while the columns are being decided.
 *
 * Lines that do not fit are left out and reported; so is a last line without a newline, because it may have lost
 * digits. The columns are decided by the shape of the first lines; where that leaves a choice, `alternatives` of the
 * summary says so.
 *
 * @returns a generator of records whose return value is the summary.
 * @throws FioParseError BAD_ARGUMENT for columns in a wrong order. Errors of the source pass through.
 */
export async function* readLog(source: LogSource, options: LogOptions = {}): AsyncGenerator<LogRecord, LogSummary, void> {
  const batches = readLogBatches(source, options);
  for (;;) {
    const next = await batches.next();
    if (next.done === true) return next.value;
    yield* next.value;
  }
}

/** Like readLog, but yields the records of each chunk at once; several times faster for long logs. */
export async function* readLogBatches(source: LogSource, options: LogOptions = {}): AsyncGenerator<LogRecord[], LogSummary, void> {
  if (options.columns !== undefined) checkColumns(options.columns);
  const state = new State(options);
  const { packing, chunks, close } = await openLog(source);
  state.compression = packing;
  try {
    if (packing === 'fio') yield* storedRecords(inflateAll(chunks, 'fio'), state);
    else yield* textRecords(packing === 'gzip' ? inflateAll(chunks, 'gzip') : chunks, state);
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    state.problem('COMPRESSION', 'error', { line: state.lines, offset: 0 }, `unpacking failed: ${error.message}`);
  } finally {
    await close();
  }
  return state.summary();
}

async function* textRecords(chunks: AsyncIterable<Uint8Array>, state: State): AsyncGenerator<LogRecord[], void, void> {
  let waiting: RawLine[] = [];
  let failure: InflateError | undefined;
  try {
    for await (const lines of rawLines(chunks)) {
      if (state.columns.length > 0) {
        yield state.records(lines);
        continue;
      }
      waiting.push(...lines);
      if (waiting.length < SAMPLE_LINES) continue;
      state.decide(waiting);
      yield state.records(waiting);
      waiting = [];
    }
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    failure = error;
  }
  // What came before an unpacking error is good.
  if (waiting.length > 0) {
    state.decide(waiting);
    yield state.records(waiting);
  }
  if (failure !== undefined) throw failure;
}

async function* storedRecords(chunks: AsyncIterable<Uint8Array>, state: State): AsyncGenerator<LogRecord[], void, void> {
  let rest: Buffer = Buffer.alloc(0);
  let layout: StoredLayout | undefined;
  let failure: InflateError | undefined;
  let offset = 0;
  const take = (atEnd: boolean): LogRecord[] => {
    if (layout === undefined && (atEnd || rest.length >= PROBE_BYTES)) layout = storedLayout(rest.subarray(0, atEnd ? rest.length : PROBE_BYTES), atEnd && failure === undefined);
    const size = layout === undefined ? undefined : sampleSize(rest, layout);
    if (layout === undefined || size === undefined) return [];
    const batch: LogRecord[] = [];
    let at = 0;
    for (; at + size <= rest.length; at += size) {
      const record = storedSample(rest, at, layout);
      state.lines += 1;
      if (record === undefined) state.problem('SYNTAX', 'error', { line: state.lines, offset: offset + at }, 'a sample that cannot be one');
      else batch.push(record);
    }
    offset += at;
    rest = rest.subarray(at);
    state.count(batch);
    return batch;
  };
  try {
    for await (const chunk of chunks) {
      rest = Buffer.concat([rest, chunk]);
      const batch = take(false);
      if (batch.length > 0) yield batch;
      if (layout === undefined && rest.length >= PROBE_BYTES) break;
    }
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    failure = error;
  }
  const last = take(true);
  if (last.length > 0) yield last;
  if (rest.length > 0) {
    const code = layout === undefined ? 'SYNTAX' : 'TRUNCATED';
    state.problem(code, 'error', { line: state.lines + 1, offset }, layout === undefined ? 'not the samples of a fio log' : `${rest.length} bytes are left over`);
  }
  if (failure !== undefined) throw failure;
}

class State {
  readonly #options: LogOptions;
  readonly #problems: Problem[] = [];
  columns: readonly LogColumn[];
  alternatives: readonly (readonly LogColumn[])[] = [];
  compression: Packing = 'none';
  lines = 0;
  #records = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.columns = options.columns ?? [];
  }

  problem(code: ProblemCode, severity: Severity, place: { line: number; offset: number }, message: string, text?: string): void {
    const problem = { code, severity, message, line: place.line, column: 1, offset: place.offset, ...(text === undefined ? {} : { text: text.slice(0, 200) }) };
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem);
    this.#options.onProblem?.(problem);
  }

  /** Chooses the columns by the lines seen so far. One broken line must not hide them, so the most common width counts. */
  decide(lines: readonly RawLine[]): void {
    if (this.columns.length > 0) return;
    const rows = lines.slice(0, DECIDE_LINES_MAX).filter(({ cut, tooLong }) => !cut && !tooLong).map(({ text }) => split(text));
    const fitting = fittingLayouts(mostCommonWidth(rows), this.#options.version);
    const [first, ...others] = fitting.length > 0 ? fitting : fittingLayouts(rows.filter((row) => fittingLayouts([row], this.#options.version).length > 0), this.#options.version);
    if (first === undefined) return;
    this.columns = first;
    this.alternatives = others;
    if (others.length > 0) {
      const list = [first, ...others].map((columns) => columns.join(' ')).join(' | ');
      this.problem('LAYOUT_AMBIGUOUS', 'note', { line: 1, offset: 0 }, `several arrangements of columns fit: ${list}`);
    }
  }

  records(lines: readonly RawLine[]): LogRecord[] {
    const batch: LogRecord[] = [];
    for (const raw of lines) {
      this.lines += 1;
      if (raw.tooLong) {
        this.problem('LINE_TOO_LONG', 'error', raw, `a line longer than ${LOG_LINE_MAX} bytes`, raw.text);
        continue;
      }
      if (raw.cut) {
        this.problem('TRUNCATED', 'error', raw, 'the last line has no newline and may be cut off', raw.text);
        continue;
      }
      if (raw.text.trim() === '') continue;
      const fields = split(raw.text);
      if (this.columns.length > 0 && fits(fields, this.columns)) batch.push(recordOf(fields, this.columns));
      else this.problem('SYNTAX', 'error', raw, this.columns.length === 0 ? 'not a line of a fio log' : `not the columns ${this.columns.join(' ')}`, raw.text);
    }
    this.count(batch);
    return batch;
  }

  count(batch: readonly LogRecord[]): void {
    this.#records += batch.length;
  }

  summary(): LogSummary {
    return {
      records: this.#records,
      lines: this.lines,
      columns: this.columns,
      alternatives: this.alternatives,
      compression: this.compression,
      problems: this.#problems,
    };
  }
}

function split(line: string): string[] {
  return line.split(',').map((field) => field.trim());
}

function mostCommonWidth(rows: readonly string[][]): string[][] {
  const widths = new Map<number, string[][]>();
  for (const row of rows) {
    const same = widths.get(row.length);
    if (same === undefined) widths.set(row.length, [row]);
    else same.push(row);
  }
  return [...widths.values()].sort((a, b) => b.length - a.length)[0] ?? [];
}

function checkColumns(columns: readonly LogColumn[]): void {
  const order = columns.map((column) => LOG_COLUMNS.indexOf(column));
  const rising = order.every((at, index) => at >= 0 && (index === 0 || at > order[index - 1]!));
  const needed = (['time', 'value', 'direction', 'blockSize'] as const).every((column) => columns.includes(column));
  if (!rising || !needed) throw new FioParseError('BAD_ARGUMENT', `not an order of columns that fio writes: ${columns.join(' ')}`);
}
