import { closeSync, constants, openSync, readSync } from 'node:fs';

/** How often the log is looked at, milliseconds. */
const lookMs = 20;
/** The largest record that the kernel hands out (CONSOLE_EXT_LOG_MAX). */
const recordMaxBytes = 8_192;

/**
 * Follows the kernel's log from now on: each read of /dev/kmsg gives one record,
 * `priority,sequence,microseconds,flags;text\n` and continuation lines (Documentation/ABI/testing/dev-kmsg).
 * Returns how to stop it.
 */
export function followKernelLog(onLine: (text: string) => void, path = '/dev/kmsg'): () => void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(recordMaxBytes);
  const look = (report: (text: string) => void): void => {
    for (;;) {
      let length: number;
      try {
        length = readSync(fd, buffer);
      } catch (error) {
        // EPIPE: records were overwritten before we came; the next read goes on with the oldest one left.
        if (error instanceof Error && 'code' in error && error.code === 'EPIPE') continue;
        return;
      }
      if (length === 0) return;
      const record = buffer.toString('utf8', 0, length);
      const text = record.slice(record.indexOf(';') + 1).split('\n', 1)[0];
      if (text !== undefined) report(text);
    }
  };
  // What was said before is about an earlier incarnation.
  look(() => undefined);
  const timer = setInterval(() => look(onLine), lookMs);
  return () => {
    clearInterval(timer);
    closeSync(fd);
  };
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
