import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { NodeEvent } from '../../../history/events.js';
import { nowUs, sleep } from '../../../util/clock.js';
import type { MemberMessage } from '../../member/protocol.js';
import type { Ssh } from '../../qemu/vm/ssh.js';
import { guestSocketPath } from '../member.js';

const connectMaxMs = 30_000;

/** A test's end of the channel to one member in a guest: its socket, forwarded by ssh. */
export class GuestChannel {
  readonly events: NodeEvent[] = [];
  readonly #ssh: ChildProcess;
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  readonly #waiters = new Set<() => void>();
  #nextId = 1;

  private constructor(ssh: ChildProcess, socket: Socket) {
    this.#ssh = ssh;
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the member has gone'));
    });
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined);
    lines.on('line', (line) => this.#heard(JSON.parse(line) as MemberMessage));
  }

  /** Attaches; the harness's clock is set in the member, within half the shortest round trip. `localPath`: a new unix socket here. */
  static async attach(ssh: Ssh, member: string, localPath: string): Promise<{ channel: GuestChannel; harnessMinusOwnUs: number; clockErrUs: number }> {
    const [program, ...args] = ssh.command.split(' ');
    const child = spawn(program!, [...args, '-o', 'LogLevel=ERROR', '-N', '-L', `${localPath}:${guestSocketPath(member)}`], { stdio: ['ignore', 'ignore', 'inherit'] });
    const untilMs = performance.now() + connectMaxMs;
    while (!existsSync(localPath)) {
      if (performance.now() > untilMs || child.exitCode !== null) throw new Error('ssh does not forward the socket');
      await sleep(100);
    }
    const channel = new GuestChannel(child, connect(localPath));
    let best = { rttUs: Infinity, harnessMinusOwnUs: 0 };
    for (let i = 0; i < 10; i++) {
      const fromUs = nowUs();
      const { nowUs: memberUs } = await channel.request('clock') as { nowUs: number };
      const rttUs = nowUs() - fromUs;
      if (rttUs < best.rttUs) best = { rttUs, harnessMinusOwnUs: fromUs + rttUs / 2 - memberUs };
    }
    await channel.request('setClock', { harnessMinusOwnUs: best.harnessMinusOwnUs });
    return { channel, harnessMinusOwnUs: best.harnessMinusOwnUs, clockErrUs: best.rttUs / 2 };
  }

  request(method: string, params: unknown = {}): Promise<unknown> {
    const id = this.#nextId++;
    this.#socket.write(`${JSON.stringify({ kind: 'request', id, method, params })}\n`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  ofType<T extends NodeEvent['type']>(type: T): Extract<NodeEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
  }

  /** Waits until the events heard so far fulfil the condition. */
  async until(condition: () => boolean, maxMs: number, what: string): Promise<void> {
    const untilMs = performance.now() + maxMs;
    while (!condition()) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw new Error(`${what}: not within ${maxMs} ms`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, leftMs);
        this.#waiters.add(done);
      });
    }
  }

  close(): void {
    this.#socket.destroy();
    this.#ssh.kill();
  }

  #heard(message: MemberMessage): void {
    if (message.kind === 'event') {
      this.events.push(message.event);
      for (const waiter of [...this.#waiters]) waiter();
    } else if (message.kind === 'reply') {
      const waiting = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.result);
      else waiting?.reject(new Error(message.error));
    }
  }
}
