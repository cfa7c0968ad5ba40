import { spawn } from 'node:child_process';
import { closeSync, constants, lstatSync, mkdirSync, openSync, readdirSync, readSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PathproofError } from '../../util/errors.js';

/** Where the kernel shows its NVMe target once `nvmet` is loaded and configfs mounted. */
export const nvmetRoot = '/sys/kernel/config/nvmet';
/** An attribute is one page at most (fs/configfs/file.c). */
const attributeMaxBytes = 4_096;

/**
 * The kernel target's tree (Linux drivers/nvme/target/configfs.c). Making a folder makes an object, with
 * its attributes as files in it; a symbolic link from a port to a subsystem makes the port serve it.
 *
 * All but `removeBlocking` are synchronous on purpose: a write has taken effect when it returns, and two
 * of them take effect in the order in which they were made. None of them waits for I/O.
 */
export class ConfigFs {
  readonly root: string;
  readonly #buffer = Buffer.alloc(attributeMaxBytes);

  constructor(root: string = nvmetRoot) {
    this.root = root;
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  exists(...parts: string[]): boolean {
    return lstatSync(this.path(...parts), { throwIfNoEntry: false }) !== undefined;
  }

  /** Names in a folder; empty if it is not there. */
  list(...parts: string[]): string[] {
    try {
      return readdirSync(this.path(...parts));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw this.#failed('list', parts, error);
    }
  }

  read(...parts: string[]): string {
    try {
      return this.#text(parts);
    } catch (error) {
      throw this.#failed('read', parts, error);
    }
  }

  /** Undefined if there is no such attribute. */
  readIfThere(...parts: string[]): string | undefined {
    try {
      return this.#text(parts);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw this.#failed('read', parts, error);
    }
  }

  write(value: string | number, ...parts: string[]): void {
    let fd: number | undefined;
    try {
      // Never creates: an attribute that this kernel lacks must not pass for one that was set.
      fd = openSync(this.path(...parts), constants.O_WRONLY | constants.O_TRUNC);
      writeSync(fd, String(value));
    } catch (error) {
      throw this.#failed(`write ${value} to`, parts, error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** Does nothing if it is there. */
  makeFolder(...parts: string[]): void {
    try {
      mkdirSync(this.path(...parts));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw this.#failed('make', parts, error);
    }
  }

  link(target: string, ...parts: string[]): void {
    try {
      symlinkSync(target, this.path(...parts));
    } catch (error) {
      throw this.#failed('link', parts, error);
    }
  }

  /** Does nothing if it is not there. */
  unlink(...parts: string[]): void {
    try {
      unlinkSync(this.path(...parts));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw this.#failed('unlink', parts, error);
    }
  }

  /**
   * Disables and removes a namespace, or removes any other folder. The kernel waits for I/O that is under
   * way, and cannot be interrupted meanwhile; so another process does it, and after `limitMs` (rejects with
   * NVMET_BUSY) it goes on without us.
   */
  removeBlocking(limitMs: number, ...parts: string[]): Promise<void> {
    const path = this.path(...parts);
    return new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', '[ ! -e "$0/enable" ] || echo 0 >"$0/enable"; exec rmdir "$0"', path], { stdio: 'ignore' });
      const timer = setTimeout(() => {
        child.unref();
        reject(new PathproofError('NVMET_BUSY', `${path} is still in use after ${limitMs} ms`, { hint: 'I/O is under way that its storage does not answer' }));
      }, limitMs);
      child.once('error', reject);
      child.once('exit', (code) => {
        clearTimeout(timer);
        if (code === 0) resolve();
        else reject(new PathproofError('NVMET', `cannot remove ${path}: rmdir ended with exit code ${code ?? 'none'}`));
      });
    });
  }

  /** Three system calls instead of the five of readFileSync: this is asked dozens of times a second, on emulated CPUs. */
  #text(parts: string[]): string {
    const fd = openSync(this.path(...parts), constants.O_RDONLY);
    try {
      return this.#buffer.toString('latin1', 0, readSync(fd, this.#buffer)).trim();
    } finally {
      closeSync(fd);
    }
  }

  #failed(what: string, parts: string[], cause: unknown): PathproofError {
    const code = codeOf(cause);
    return new PathproofError('NVMET', `cannot ${what} ${this.path(...parts)}: ${code ?? String(cause)}`, {
      cause, ...(code === 'ENOENT' ? { hint: 'is nvmet loaded, and configfs mounted on /sys/kernel/config?' } : {}),
    });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
