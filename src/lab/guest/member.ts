import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { NodeEvent } from '../../history/events.js';
import { guestLoopResolutionMs, watchSelf } from '../../observe/self-watch.js';
import { nowUs, ownNowUs, shiftClock } from '../../util/clock.js';
import { PathproofError } from '../../util/errors.js';
import { cpuWorkUs } from '../../util/cpu-speed.js';
import { answer } from '../member/answer.js';
import type { MemberContext, MemberHandlers, MemberMessage, MemberRequest, StartedMember, StartMember } from '../member/protocol.js';

/** Where a guest's member listens: the harness reaches it through SSH, which can forward unix sockets. */
export function guestSocketPath(name: string): string {
  return `/run/pathproof/${name}.sock`;
}

/**
 * The frame of a member that lives in a guest. As in the loopback lab it answers requests and emits events,
 * but as JSON lines over a unix socket, to one harness at a time, and it outlives the harness: a guest that
 * was restored from a snapshot has its members running, and each harness attaches to them anew. What happens
 * while nobody listens is not kept; whoever attaches is told the present state first (`announce`).
 *
 * argv[2] names a JSON file with the config.
 */
export function runGuestMember<Config extends { name: string }>(role: string, start: StartMember<Config>): void {
  let name = role;
  const run = async (): Promise<void> => {
    const configFile = process.argv[2];
    if (configFile === undefined) throw new Error('the first argument is the path of the config');
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as Config;
    ({ name } = config);
    await serveMember({ name, path: guestSocketPath(name) }, (context) => start(config, context));
  };
  run().catch((error: unknown) => {
    memberLog(name, `failed to start: ${wordsOf(error)}`);
    process.exit(1);
  });
}

export interface MemberSocket {
  name: string;
  /** Where it listens. */
  path: string;
  /** So many events are kept while no harness has said `announce`; the oldest go first. Default 0. */
  keptEventsMax?: number;
  /** Sees every event, whether a harness listens or not. */
  onEvent?: (event: NodeEvent) => void;
}

/**
 * Starts a member and serves its socket. Some requests are the frame's own: `clock` answers with this
 * machine's monotonic time, `setClock` shifts this process's to the harness's (util/clock.ts), `cpuWork`
 * measures the processor (util/cpu-speed.ts), `keepCompiled` saves the code that was compiled so far for the next start,
 * and `announce`, the first that a harness asks, sends what was kept and then the present state.
 *
 * Rejects when the member does not start or the socket cannot be opened. SIGTERM stops the member and ends the process.
 */
export async function serveMember({ name, path, keptEventsMax = 0, onEvent }: MemberSocket, start: (context: MemberContext) => Promise<StartedMember>): Promise<void> {
  let harness: Socket | undefined;
  /** The harness that has asked for what there was before it. */
  let listening: Socket | undefined;
  const kept: NodeEvent[] = [];
  let lost = 0;
  const send = (message: MemberMessage): void => {
    if (harness?.writable === true) harness.write(`${JSON.stringify(message)}\n`);
  };
  const emit = (event: NodeEvent): void => {
    onEvent?.(event);
    if (keptEventsMax === 0 || (listening !== undefined && listening === harness && listening.writable)) return send({ kind: 'event', event });
    kept.push(event);
    if (kept.length <= keptEventsMax) return;
    kept.shift();
    lost++;
  };
  const context: MemberContext = {
    emit: (event) => emit({ tUs: nowUs(), ...event } as NodeEvent),
    log: (line) => memberLog(name, line),
  };
  const member = await start(context);
  const handlers: MemberHandlers = {
    ...member.handlers,
    clock: () => ({ ownUs: ownNowUs() }),
    cpuWork: () => ({ us: cpuWorkUs() }),
    keepCompiled: () => keepCompiled(),
    setClock: ({ harnessMinusOwnUs }: { harnessMinusOwnUs: number }) => shiftClock(harnessMinusOwnUs),
    announce: () => {
      listening = harness;
      if (lost > 0) context.emit({ type: 'log', level: 'warn', message: `${name}: ${lost} events before these were not kept` });
      lost = 0;
      for (const event of kept.splice(0)) send({ kind: 'event', event });
      member.announce?.();
    },
  };
  const server = createServer((socket) => {
    // The last harness may be gone without a word, e.g. with the process that held the SSH connection.
    harness?.destroy();
    harness = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (harness === socket) harness = undefined;
    });
    const lines = createInterface({ input: socket });
    // It repeats the socket's errors, and one that nobody hears ends the process.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const request = JSON.parse(line) as MemberRequest;
      if (request.kind === 'request') void answer(name, handlers, request, send);
    });
    send({ kind: 'ready', info: member.info });
  });
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) rmSync(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  process.on('SIGTERM', () => {
    void (member.stop?.() ?? Promise.resolve()).catch(() => undefined).finally(() => process.exit(0));
  });
  watchSelf(name, (event) => context.emit(event), guestLoopResolutionMs);
  context.log(`ready pid=${process.pid}`);
}

/** For its log: what a person is told of an error that is known, the stack of another. */
export function wordsOf(error: unknown): string {
  if (error instanceof PathproofError) return [error.message, ...(error.hint === undefined ? [] : [`hint: ${error.hint}`]), ...error.details].join('\n  ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A line of a member's own log. */
export function memberLog(name: string, line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${name} ${line}\n`);
}

/**
 * Node writes its cache (NODE_COMPILE_CACHE) when a process ends by itself; one that is killed must have done it before.
 * That takes an emulated processor a second in which the process does nothing else. Since Node 22.10.
 */
function keepCompiled(): void {
  (nodeModule as { flushCompileCache?: () => void }).flushCompileCache?.();
}
