import { createReadStream, createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** Text besides progress that is kept per stream, characters; fio that prints more repeats itself. */
export const otherCharsMax = 16 * 1_048_576;

/**
 * The folder of one process in the run. What fio prints is written as it comes: a harness that is killed leaves it.
 */
export class ArtifactFolder {
  readonly path: string;
  #writing: Promise<void> = Promise.resolve();
  readonly #written = new Map<string, number>();

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  put(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  append(name: string, text: string): void {
    const before = this.#written.get(name) ?? 0;
    if (before > otherCharsMax) return;
    this.#written.set(name, before + text.length);
    const kept = before + text.length > otherCharsMax ? `${text.slice(0, Math.max(0, otherCharsMax - before))}\n… the rest was not kept\n` : text;
    this.#writing = this.#writing.then(() => appendFile(join(this.path, name), kept));
  }

  /** Waits for what is being appended, and packs the logs: they are most of it, and shrink to a fifth. */
  async close(): Promise<void> {
    await this.#writing;
    for (const name of await readdir(this.path)) {
      if (!name.endsWith('.log')) continue;
      const file = join(this.path, name);
      await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}.gz`));
      await rm(file);
    }
  }
}
