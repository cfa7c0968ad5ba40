import { open, type FileHandle } from 'node:fs/promises';

import { FioParseError } from '../errors.js';
import { explainBlock, type BlockReport, type ExplainOptions } from './explain.js';

export interface ScanOptions extends Omit<ExplainOptions, 'offset' | 'expected' | 'intervalAt'> {
  /** Bytes per interval: `verify_interval`, or the block size of the job. */
  readonly intervalBytes: number;
  /** First byte and first byte behind the range; the whole file when left out. */
  readonly from?: number;
  readonly to?: number;
  /** What the interval at an offset should carry; called once for each. */
  readonly expect?: (offset: number) => ExplainOptions['expected'];
}

/** Bytes read at once, about. */
const CHUNK = 1_048_576;
/** Smallest interval fio accepts is twice its header. */
const INTERVAL_MIN = 48;
const INTERVAL_MAX = 2 ** 28;

/**
 * Explains every interval of a file or block device, in order. Holds one chunk of about 1 MiB (one interval, when that
 * is longer).
 *
 * @throws FioParseError BAD_ARGUMENT for an interval that fio would not accept. Read errors pass through.
 */
export async function* scanVerifyBlocks(file: string | FileHandle, options: ScanOptions): AsyncGenerator<BlockReport, void, void> {
  const { intervalBytes, from = 0, to = Number.MAX_SAFE_INTEGER, expect, verifyOffset, pattern, payload } = options;
  if (!Number.isInteger(intervalBytes) || intervalBytes < INTERVAL_MIN || intervalBytes > INTERVAL_MAX) {
    throw new FioParseError('BAD_ARGUMENT', `a verify interval of ${intervalBytes} bytes; ${INTERVAL_MIN} to ${INTERVAL_MAX} are possible`);
  }
  const handle = typeof file === 'string' ? await open(file, 'r') : file;
  try {
    const chunk = Buffer.allocUnsafe(Math.max(1, Math.floor(CHUNK / intervalBytes)) * intervalBytes);
    for (let at = from; at < to; ) {
      const length = await readFully(handle, chunk, Math.min(chunk.length, to - at), at);
      for (let start = 0; start + intervalBytes <= length; start += intervalBytes) {
        const offset = at + start;
        const expected = expect?.(offset);
        yield explainBlock(chunk.subarray(start, start + intervalBytes), {
          offset,
          ...(verifyOffset === undefined ? {} : { verifyOffset }),
          ...(pattern === undefined ? {} : { pattern }),
          ...(payload === undefined ? {} : { payload }),
          ...(expected === undefined ? {} : { expected }),
        });
      }
      if (length < chunk.length) return;
      at += length;
    }
  } finally {
    if (typeof file === 'string') await handle.close();
  }
}

/** Reads `length` bytes, or up to the end of the file. */
async function readFully(handle: FileHandle, buffer: Buffer, length: number, position: number): Promise<number> {
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
