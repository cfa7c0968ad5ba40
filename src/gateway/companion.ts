import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { sleep } from '../util/clock.js';

const setpriv = '/usr/bin/setpriv';
const saidLinesMax = 15;

/**
 * A process that works for a gateway alone, and lives as long as the gateway at most: the kernel kills it when the thread that started
 * it ends, however that ends (setpriv(1), where there is one; a container ends with its first process anyway).
 */
export class Companion {
  /** Settles with how it ended: `NAME ended with exit code 1`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];
  #end: string | undefined;

  /** `name`: as which it is spoken of. `log` gets each line that it says. */
  constructor({ name, program, args, log }: { name: string; program: string; args: readonly string[]; log: (line: string) => void }) {
    const line = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--', program, ...args] : [program, ...args];
    const child = this.#child = spawn(line[0]!, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      // It may write a message in pieces.
      createInterface({ input: stream }).on('line', (each) => {
        if (each.trim() === '') return;
        log(each);
        if (this.#said.push(each) > saidLinesMax) this.#said.shift();
      });
    }
    this.ended = new Promise((resolve) => {
      const settle = (how: string): void => {
        this.#end ??= how;
        resolve(this.#end);
      };
      child.once('error', (error) => settle(`${name} cannot be started: ${error.message}`));
      child.once('close', (code, signal) => settle(`${name} ended with ${code === null ? String(signal) : `exit code ${code}`}`));
    });
  }

  /** How it ended; undefined while it runs. */
  get end(): string | undefined {
    return this.#end;
  }

  /** The last lines that it said. */
  get said(): readonly string[] {
    return this.#said;
  }

  get pid(): number | undefined {
    return this.#end === undefined ? this.#child.pid : undefined;
  }

  /** SIGTERM: it closes what it has open. After `graceMs` it is killed: storage that does not answer must not hold anybody up. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const inTime = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, inTime.signal)]);
    inTime.abort();
    await this.kill();
  }

  async kill(): Promise<void> {
    if (this.#end === undefined) this.#child.kill('SIGKILL');
    await this.ended;
  }
}
