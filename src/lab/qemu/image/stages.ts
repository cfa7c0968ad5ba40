import { mkdirSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * A build in stages, each of which leaves one file. A stage writes into `NAME.part`, which becomes NAME
 * only when it is complete; so a build that was stopped goes on with the first file that is missing.
 */
const recordSchema = z.record(z.string(), z.object({ seconds: z.number() }));

export interface Stage {
  /** The file it leaves, in the build's folder. */
  file: string;
  /** What a person reads while it runs. */
  title: string;
  make: (part: string, say: (line: string) => void) => Promise<void>;
}

export class StagedBuild {
  readonly dir: string;
  readonly #progress: (line: string) => void;
  readonly #startedMs = performance.now();

  constructor(dir: string, progress: (line: string) => void) {
    this.dir = dir;
    this.#progress = progress;
    mkdirSync(dir, { recursive: true });
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  /** Makes the stage's file unless it is there. Resolves to whether it had to be made. */
  async run(stage: Stage): Promise<boolean> {
    const done = this.path(stage.file);
    if (existsSync(done)) return false;
    this.say(`${stage.title} …`);
    const part = `${done}.part`;
    rmSync(part, { recursive: true, force: true });
    const startedMs = performance.now();
    await stage.make(part, (line) => this.say(`  ${line}`));
    const seconds = (performance.now() - startedMs) / 1_000;
    this.#record(stage.file, seconds);
    renameSync(part, done);
    this.say(`${stage.title}: ${seconds.toFixed(1)} s`);
    return true;
  }

  /** One line, with the seconds since the build began. */
  say(line: string): void {
    this.#progress(`[${((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(6)} s] ${line}`);
  }

  /** How long each stage took, whichever build made it. */
  seconds(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#read()).map(([file, { seconds }]) => [file, seconds]));
  }

  #read(): z.output<typeof recordSchema> {
    try {
      return recordSchema.parse(JSON.parse(readFileSync(this.path('stages.json'), 'utf8')));
    } catch {
      return {};
    }
  }

  #record(file: string, seconds: number): void {
    const all = this.#read();
    all[file] = { seconds: Math.round(seconds * 10) / 10 };
    writeFileSync(this.path('stages.json'), JSON.stringify(all));
  }
}
