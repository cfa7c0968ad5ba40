import type { Problem } from '../errors.js';
import { PLAT_BINS } from '../histogram/bins.js';
import { inflateAll, InflateError } from './inflate.js';
import { rawLines } from './lines.js';
import { openLog, type LogSource } from './source.js';
import { LOG_DIRECTIONS, type HistogramRecord } from './types.js';

/** Coarsest `log_hist_coarseness`. */
const COARSENESS_MAX = 6;

/**
 * Reads a histogram log (`write_hist_log` with `log_hist_msec`), plain or gzipped. Each line counts the I/Os since
 * the one before; LatencyHistogram.fromLogCounts turns a line into a histogram. Lines that do not fit are reported
 * and left out.
 */
export async function* readHistogramLog(source: LogSource, onProblem: (problem: Problem) => void = () => {}): AsyncGenerator<HistogramRecord, void, void> {
  const { packing, chunks, close } = await openLog(source);
  try {
    for await (const batch of rawLines(packing === 'none' ? chunks : inflateAll(chunks, packing))) {
      for (const raw of batch) {
        const record = raw.cut || raw.tooLong ? undefined : histogramRecord(raw.text);
        if (record !== undefined) yield record;
        else if (raw.text.trim() !== '') {
          const code = raw.cut ? 'TRUNCATED' : raw.tooLong ? 'LINE_TOO_LONG' : 'SYNTAX';
          onProblem({ code, severity: 'error', message: 'not a whole line of a histogram log', line: raw.line, column: 1, offset: raw.offset, text: raw.text.slice(0, 200) });
        }
      }
    }
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    onProblem({ code: 'COMPRESSION', severity: 'error', message: `unpacking failed: ${error.message}`, line: 0, column: 0, offset: 0 });
  } finally {
    await close();
  }
}

function histogramRecord(text: string): HistogramRecord | undefined {
  const numbers = text.split(',').map((field) => (/^\s*\d+\s*$/.test(field) ? Number(field) : Number.NaN));
  const [timeMs, direction, blockSize, ...counts] = numbers;
  if (numbers.some(Number.isNaN) || timeMs === undefined || blockSize === undefined) return undefined;
  const name = LOG_DIRECTIONS[direction ?? -1];
  const coarseness = Math.log2(PLAT_BINS / counts.length);
  if (name === undefined || !Number.isInteger(coarseness) || coarseness < 0 || coarseness > COARSENESS_MAX) return undefined;
  return { timeMs, direction: name, blockSize, coarseness, counts };
}
