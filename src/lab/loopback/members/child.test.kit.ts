import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NodeEvent } from '../../../history/events.js';
import type { MemberMessage, MemberRequest } from '../../member/member.js';

/** A member as a real child process, driven over its IPC channel as the harness drives it. */
export class Child<Info> {
  readonly process: ChildProcess;
  readonly events: NodeEvent[] = [];
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  log = '';
  info!: Info;
  #lastId = 0;
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  private constructor(file: string, config: unknown) {
    this.process = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(config)], {
      cwd: fileURLToPath(new URL('../../../..', import.meta.url)),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.process.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    this.exited = new Promise((resolve) => this.process.once('exit', (code, signal) => {
      for (const { reject } of this.#open.values()) reject(new Error('the member ended'));
      resolve({ code, signal });
    }));
  }

  static async start<Info>(file: string, config: unknown): Promise<Child<Info>> {
    const child = new Child<Info>(file, config);
    await new Promise<void>((resolve, reject) => {
      child.process.on('message', (message: MemberMessage) => child.#message(message, resolve));
      void child.exited.then(() => reject(new Error(`the member did not start:\n${child.log}`)));
    });
    return child;
  }

  call<T>(method: string, params: unknown = {}): Promise<T> {
    const request: MemberRequest = { kind: 'request', id: ++this.#lastId, method, params };
    return new Promise((resolve, reject) => {
      this.#open.set(request.id, { resolve: resolve as (value: unknown) => void, reject });
      this.process.send(request);
    });
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  #message(message: MemberMessage, ready: () => void): void {
    if (message.kind === 'event') {
      this.events.push(message.event);
    } else if (message.kind === 'ready') {
      this.info = message.info as Info;
      ready();
    } else {
      const open = this.#open.get(message.id);
      this.#open.delete(message.id);
      if (message.error !== undefined) open?.reject(new Error(message.error));
      else open?.resolve(message.result);
    }
  }
}
