import fs from 'node:fs';

export type IoCallback = (error: NodeJS.ErrnoException | null) => void;

/**
 * Positioned I/O on one file, whole buffers only. Callbacks, not promises: this is the hot path. An
 * interface so that a test can hold a pwrite that has begun, or make one fail.
 */
export interface BlockFile {
  /** Fills `length` bytes of `buffer` from `at`. What lies beyond the end of the file reads as zeroes. */
  pread(buffer: Buffer, at: number, length: number, position: number, done: IoCallback): void;
  /** Calls back once all of `buffer[at, at + length)` is in the file, i.e. survives the death of this process. */
  pwrite(buffer: Buffer, at: number, length: number, position: number, done: IoCallback): void;
  close(): Promise<void>;
}

/** A BlockFile on a file of the local file system, which must exist. */
export function openBlockFile(path: string): BlockFile {
  const fd = fs.openSync(path, 'r+');
  const pread: BlockFile['pread'] = (buffer, at, length, position, done) => {
    fs.read(fd, buffer, at, length, position, (error, bytes) => {
      if (error !== null) return done(error);
      if (bytes === length) return done(null);
      if (bytes === 0) {
        buffer.fill(0, at, at + length);
        return done(null);
      }
      pread(buffer, at + bytes, length - bytes, position + bytes, done);
    });
  };
  // A short write is legal (a signal, a nearly full disk): the rest either lands or says why not.
  const pwrite: BlockFile['pwrite'] = (buffer, at, length, position, done) => {
    fs.write(fd, buffer, at, length, position, (error, bytes) => {
      if (error !== null) return done(error);
      if (bytes === length) return done(null);
      pwrite(buffer, at + bytes, length - bytes, position + bytes, done);
    });
  };
  return {
    pread,
    pwrite,
    close: () => new Promise((resolve, reject) => fs.close(fd, (error) => (error ? reject(error) : resolve()))),
  };
}
