import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { controlSocketPath, type Capture, type SwitchReply } from './protocol.js';
import type { RuleSpec } from './rules.js';
import type { SwitchPortState } from './server.js';
import { connectUnix } from '../unix-socket.js';

const answerMaxMs = 10_000;
const retryMs = 20;

type Request =
  | { method: 'addRule'; rule: RuleSpec }
  | { method: 'removeRule'; rule: number }
  | { method: 'removeAllRules' }
  | { method: 'state' }
  | { method: 'startCapture'; capture: Capture }
  | { method: 'stopCapture'; file: string };

/** The control channel of a running switch process. Every method rejects with an infra error when the switch is gone. */
export class SwitchClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }>();
  #nextId = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const reply = JSON.parse(line) as SwitchReply;
      const pending = this.#pending.get(reply.id);
      if (pending === undefined) return;
      this.#pending.delete(reply.id);
      clearTimeout(pending.timer);
      if ('error' in reply) pending.reject(new Error(`switch: ${reply.error}`));
      else pending.resolve(reply.result);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const { reject, timer } of this.#pending.values()) {
        clearTimeout(timer);
        reject(infraError('SWITCH_GONE', 'the switch process closed its control socket'));
      }
      this.#pending.clear();
    });
  }

  /** Connects to the switch in `dir`, waiting up to `timeoutMs` for its socket. */
  static async connect(dir: string, timeoutMs: number): Promise<SwitchClient> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      try {
        return new SwitchClient(await connectUnix(controlSocketPath(dir)));
      } catch (error) {
        if (Date.now() >= deadline) throw infraError('SWITCH_START', `no switch answers in ${dir}`, { cause: error });
        await sleep(retryMs);
      }
    }
  }

  /** Adds a rule and resolves to its id, with which `heal` removes it. */
  add(rule: RuleSpec): Promise<number> {
    return this.#request({ method: 'addRule', rule });
  }

  /** Resolves to false when there is no such rule. */
  heal(rule: number): Promise<boolean> {
    return this.#request({ method: 'removeRule', rule });
  }

  healAll(): Promise<number> {
    return this.#request({ method: 'removeAllRules' });
  }

  state(): Promise<SwitchPortState[]> {
    return this.#request({ method: 'state' });
  }

  async port(fabric: string, node: string): Promise<SwitchPortState> {
    const port = (await this.state()).find((p) => p.fabric === fabric && p.node === node);
    if (port === undefined) throw new Error(`fabric ${fabric} has no port for ${node}`);
    return port;
  }

  /** Writes a pcap file from now on: of one node's cable, or of all that is sent in a fabric. */
  async startCapture(capture: Capture): Promise<void> {
    await this.#request({ method: 'startCapture', capture });
  }

  stopCapture(file: string): Promise<{ records: number }> {
    return this.#request({ method: 'stopCapture', file });
  }

  close(): void {
    this.#socket.destroy();
  }

  #request<T>(request: Request): Promise<T> {
    if (this.#socket.destroyed) return Promise.reject(infraError('SWITCH_GONE', 'the switch process is gone'));
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(infraError('SWITCH_SILENT', `the switch did not answer ${request.method} within ${answerMaxMs / 1_000} s`));
      }, answerMaxMs);
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      this.#socket.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }
}
