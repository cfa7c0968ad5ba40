import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { isSameProcess, processStartTime } from '../../process-identity.js';

const pollMs = 500;

/**
 * Only one process builds an image at a time: a file with the builder's identity, made exclusively. A
 * second one waits; a lock whose process is gone is taken over.
 */
export async function withLock<T>(file: string, waitMaxMs: number, waiting: (pid: number) => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const own = JSON.stringify({ pid: process.pid, startTime: processStartTime(process.pid) ?? '' });
  const deadline = Date.now() + waitMaxMs;
  let told = false;
  for (;;) {
    try {
      const fd = openSync(file, 'wx');
      writeSync(fd, own);
      closeSync(fd);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw infraError('CACHE_DIR', `cannot write ${file}`, { cause: error, hint: 'XDG_CACHE_HOME names the folder of caches' });
    }
    const holder = readHolder(file);
    if (holder !== undefined && !isSameProcess(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (holder !== undefined && !told) {
      waiting(holder.pid);
      told = true;
    }
    if (Date.now() >= deadline) throw infraError('BUILD_LOCKED', `another process${holder === undefined ? '' : ` (pid ${holder.pid})`} is building this image and does not end`, { hint: `if that is wrong, remove ${file}` });
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Undefined also while the other process has made the file but not written it. */
function readHolder(file: string): { pid: number; startTime: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { pid: number; startTime: string };
  } catch {
    return undefined;
  }
}
