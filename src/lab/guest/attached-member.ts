import { join } from 'node:path';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { NodeEvent } from '../../history/events.js';
import { nowUs, sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { MemberRequests } from '../member/requests.js';
import type { MemberMessage } from '../member/protocol.js';
import { connectUnix } from '../qemu/unix-socket.js';
import { aged, bestOf, refine, type ClockEstimate, type ClockSample } from './clock-estimate.js';
import { guestSocketPath } from './member.js';

export interface AttachOptions {
  name: string;
  /** The node that it runs on. */
  ssh: { forward(local: string, target: string): Promise<void>; exec(command: string, options: { okCodes: 'any' }): Promise<{ stdout: string }> };
  /** Folder for the local end of the socket; short. */
  dir: string;
  /** Each event with the bound of the error of its time, microseconds. */
  onEvent: (event: NodeEvent, errUs: number) => void;
  /** Each new estimate of its clock. */
  onClock?: (estimate: ClockEstimate) => void;
  /** How long it may take until the member answers: it may still be starting. */
  timeoutMs: number;
  /** Whether it is known that it has ended: then it is waited for no longer. Default: it never is. */
  hasEnded?: () => boolean;
}

const retryMs = 100;
/** Samples of the first estimate, and of each later one. */
const firstSamples = 12;
const laterSamples = 4;
const clockPeriodMs = 2_000;

/**
 * A guest's member as the harness sees it: requests, events in harness time, and its end. Attaching measures
 * the guest's clock and shifts the member's to ours; from then on it is measured every two
 * seconds and corrected when it is known better, and each event carries the error bound of that moment.
 */
export class AttachedMember {
  readonly name: string;
  readonly info: unknown;
  /** Settles when the channel closes: the member ended, its guest is gone, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #requests: MemberRequests;
  readonly #options: AttachOptions;
  readonly #timer: NodeJS.Timeout;
  #clock: ClockEstimate;
  /** When it was measured. */
  #clockUs = nowUs();
  #open = true;

  private constructor(options: AttachOptions, channel: Channel, clock: ClockEstimate) {
    this.name = options.name;
    this.info = channel.info;
    this.#options = options;
    this.#socket = channel.socket;
    this.#requests = channel.requests;
    this.#clock = clock;
    // What happens before the next measurement is stamped by this one, which has aged by then.
    channel.onEvent = (event) => options.onEvent(event, aged(this.#clock, nowUs() - this.#clockUs).errUs);
    this.#timer = setInterval(() => void this.measureClock().catch(() => undefined), clockPeriodMs);
    this.#timer.unref();
    this.closed = channel.closed.then(() => {
      this.#open = false;
      clearInterval(this.#timer);
    });
  }

  /** Connects, waiting for the member to start; an infra error when it does not in time (MEMBER_SILENT), or has ended (MEMBER_ENDED). */
  static async attach(options: AttachOptions): Promise<AttachedMember> {
    const { name, ssh, dir, timeoutMs, hasEnded = () => false } = options;
    const local = join(dir, `${name}.member`);
    await ssh.forward(local, guestSocketPath(name));
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      let channel: Channel | undefined;
      try {
        channel = await openChannel(name, local, Math.max(1_000, deadline - Date.now()));
        const clock = await measure(channel.requests, channel.socket, firstSamples);
        await request(channel.requests, channel.socket, 'setClock', { harnessMinusOwnUs: clock.shiftUs });
        options.onClock?.(clock);
        const member = new AttachedMember(options, channel, clock);
        await member.request('announce');
        return member;
      } catch (error) {
        channel?.socket.destroy();
        const ended = hasEnded();
        if (!ended && Date.now() < deadline) {
          await sleep(retryMs);
          continue;
        }
        const log = await ssh.exec(`tail -n 15 /var/log/pathproof/${name}.log`, { okCodes: 'any' }).catch(() => undefined);
        if (ended) throw infraError('MEMBER_ENDED', `${name}: its program ended before it had answered`, { details: log?.stdout.trimEnd().split('\n') ?? [] });
        throw infraError('MEMBER_SILENT', `${name}: its member in the guest does not answer within ${timeoutMs / 1_000} s (${messageOf(error)})`, { details: log?.stdout.trimEnd().split('\n') ?? [] });
      }
    }
  }

  get running(): boolean {
    return this.#open;
  }

  get clock(): ClockEstimate {
    return this.#clock;
  }

  request<T = unknown>(method: string, params: unknown = {}, timeoutMs?: number): Promise<T> {
    if (!this.#open) return Promise.reject(new Error(`${this.name} is not running`));
    return request(this.#requests, this.#socket, method, params, timeoutMs);
  }

  /** Measures the guest's clock, and corrects the member's if that has become better known. */
  async measureClock(samples = laterSamples): Promise<ClockEstimate> {
    const before = this.#clock;
    const next = await measure(this.#requests, this.#socket, samples);
    const measuredUs = nowUs();
    this.#clock = refine(before, measuredUs - this.#clockUs, next);
    this.#clockUs = measuredUs;
    if (this.#clock.shiftUs !== before.shiftUs) await this.request('setClock', { harnessMinusOwnUs: this.#clock.shiftUs });
    this.#options.onClock?.(this.#clock);
    return this.#clock;
  }

  /** Lets go; the member goes on. */
  close(): void {
    this.#socket.destroy();
  }
}

interface Channel { socket: Socket; requests: MemberRequests; info: unknown; closed: Promise<void>; onEvent: (event: NodeEvent) => void }

async function openChannel(name: string, path: string, readyMaxMs: number): Promise<Channel> {
  const socket = await connectUnix(path);
  socket.on('error', () => undefined);
  const requests = new MemberRequests(name);
  const channel: Channel = {
    socket, requests, info: undefined, onEvent: () => undefined,
    closed: new Promise((resolve) => {
      socket.once('close', () => {
        requests.failAll(new Error(`${name} ended or its connection was lost`));
        resolve();
      });
    }),
  };
  const ready = new Promise<'ready'>((resolve) => {
    const lines = createInterface({ input: socket });
    // It repeats the socket's errors, and one that nobody hears ends the process.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = JSON.parse(line) as MemberMessage;
      if (message.kind === 'event') channel.onEvent(message.event);
      else if (message.kind === 'reply') requests.settle(message);
      else {
        channel.info = message.info;
        resolve('ready');
      }
    });
  });
  const timeout = new AbortController();
  const outcome = await Promise.race([ready, channel.closed, sleep(readyMaxMs, timeout.signal)]);
  timeout.abort();
  if (outcome === 'ready') return channel;
  socket.destroy();
  throw new Error('nobody listens');
}

function request<T>(requests: MemberRequests, socket: Socket, method: string, params: unknown = {}, timeoutMs?: number): Promise<T> {
  return requests.open<T>(method, (id) => {
    if (!socket.writable) throw new Error('the connection is closed');
    socket.write(`${JSON.stringify({ kind: 'request', id, method, params })}\n`);
  }, timeoutMs);
}

async function measure(requests: MemberRequests, socket: Socket, count: number): Promise<ClockEstimate> {
  const samples: ClockSample[] = [];
  for (let i = 0; i < count; i++) {
    const askedUs = nowUs();
    const { ownUs } = await request<{ ownUs: number }>(requests, socket, 'clock', {}, 10_000);
    samples.push({ askedUs, answeredUs: nowUs(), ownUs });
  }
  return bestOf(samples);
}
