import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { cacheDir } from './cache.js';

/** Linux makes a new id at each boot (random(4)). */
function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Something found out about this machine, in a file of the cache folder; it holds until the machine boots again. */
export class UntilBoot<T> {
  readonly #name: string;
  readonly #schema: z.ZodType<T>;

  constructor(name: string, schema: z.ZodType<T>) {
    this.#name = name;
    this.#schema = schema;
  }

  get(): T | undefined {
    try {
      const memory = z.object({ bootId: z.string(), value: this.#schema }).parse(JSON.parse(readFileSync(this.#file, 'utf8')));
      return memory.bootId === bootId() ? memory.value : undefined;
    } catch {
      return undefined;
    }
  }

  /** A cache that cannot be written costs the next command the time to find it out again, nothing else. */
  set(value: T): void {
    try {
      mkdirSync(cacheDir(), { recursive: true });
      writeFileSync(this.#file, JSON.stringify({ bootId: bootId(), value }));
    } catch {
      // See above.
    }
  }

  get #file(): string {
    return join(cacheDir(), this.#name);
  }
}
