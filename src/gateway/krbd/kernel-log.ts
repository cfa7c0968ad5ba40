import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** The largest record that the kernel hands out (PRINTKRB_RECORD_MAX and its prefix). */
const recordMaxBytes = 8_192;
/** Before a reader that has ended is replaced, milliseconds. */
const readAgainMs = 20;

/**
 * Follows the kernel's log from now on. /dev/kmsg gives one record a read: `priority,sequence,microseconds,flags;text`
 * and continuation lines, which begin with a space (Documentation/ABI/testing/dev-kmsg). Returns how to stop it.
 *
 * Another process reads it, since Node can only wait for such a file in a thread that then keeps this process from
 * ending, and asking again and again takes an emulated CPU a millisecond each time.
 */
export function followKernelLog(onLine: (text: string) => void, path = '/dev/kmsg'): () => void {
  let seen = lastSequence(path);
  let stopped = false;
  let reader: ChildProcess;
  const read = (): void => {
    const child = reader = spawn('/bin/cat', [path], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.unref();
    child.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const record = parseRecord(line);
      if (record === undefined || record.sequence <= seen) return;
      seen = record.sequence;
      onLine(record.text);
    });
    // It ends with an error when records were overwritten before it came to them; a new one goes on with the oldest one left.
    child.on('close', () => {
      if (!stopped) setTimeout(read, readAgainMs).unref();
    });
  };
  read();
  return () => {
    stopped = true;
    reader.kill();
  };
}

/** Undefined for a continuation line. */
export function parseRecord(line: string): { sequence: number; text: string } | undefined {
  const match = /^\d+,(\d+),[^;]*;(.*)$/.exec(line);
  return match === null ? undefined : { sequence: Number(match[1]), text: match[2]! };
}

/** Of the newest record that there is; −1 if there is none. What was said before is about an earlier incarnation. */
function lastSequence(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(recordMaxBytes);
  let last = -1;
  try {
    for (;;) {
      const length = readSync(fd, buffer);
      if (length === 0) return last;
      for (const line of buffer.toString('utf8', 0, length).split('\n')) last = parseRecord(line)?.sequence ?? last;
    }
  } catch {
    // EAGAIN: that was the last one. EPIPE: some were overwritten under our eyes; then the reader tells a few too many, none too few.
    return last;
  } finally {
    closeSync(fd);
  }
}

/** EBLOCKLISTED (include/linux/ceph/rados.h: ESHUTDOWN). */
const blocklisted = 108;

/**
 * Does this line say that the cluster has refused an operation of a mapped image because its client is on the blocklist?
 * rbd says so for I/O (`rbd: rbd0: write at objno 8 3309568~4096 result -108`) and, within a second and without any I/O,
 * for the watch that it has on each image's header (`rbd: rbd0: failed to reregister watch: -108`).
 */
export function saysBlocklisted(line: string): boolean {
  const match = /^rbd: rbd\d+: .* -(\d+)$/.exec(line);
  return match !== null && Number(match[1]) === blocklisted;
}

/**
 * Does it say that a queueing device has got an I/O error and holds everything back now? The reason, if it is the
 * blocklist, has been told in a line before: rbd reports before it completes.
 */
export function saysPathFailed(line: string): boolean {
  return /^device-mapper: multipath: [\d:]+: Failing path /.test(line);
}
