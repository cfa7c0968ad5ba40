import type { NodeEvent } from '../../history/events.js';
import { watchSelf } from '../../observe/self-watch.js';
import { nowUs } from '../../util/clock.js';
import { answer } from './answer.js';
import type { MemberContext, MemberMessage, MemberRequest, StartMember } from './protocol.js';

export type { MemberContext, MemberHandlers, MemberMessage, MemberRequest } from './protocol.js';

/**
 * The frame in which every member process of the loopback lab runs: a request/response channel to the
 * harness over Node's IPC, events in one direction, self-watch, and an end when the harness is gone.
 *
 * `start` gets the member's config (JSON in argv[2]) and returns the info that the harness waits for
 * (ports…) and the handlers it may call. A throw in `start` ends the process with exit code 1 and the
 * reason on stderr, which the lab shows.
 *
 * Its name in the log and in self.watch events is the config's `name` (gw1), else its role (store).
 */
export function runMember<Config>(role: string, start: StartMember<Config>): void {
  let name = role;
  const send = (message: MemberMessage): void => {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const context: MemberContext = {
    emit: (event) => send({ kind: 'event', event: { tUs: nowUs(), ...event } as NodeEvent }),
    log: (line) => process.stderr.write(`${new Date().toISOString()} ${name} ${line}\n`),
  };
  // A terminal's Ctrl-C reaches the whole process group; only the harness decides when a member ends.
  process.on('SIGINT', () => undefined);

  const run = async (): Promise<void> => {
    const config = JSON.parse(process.argv[2] ?? '{}') as Config;
    if (typeof config === 'object' && config !== null && 'name' in config && typeof config.name === 'string') name = config.name;
    const member = await start(config, context);
    const end = (): void => {
      void (member.stop?.() ?? Promise.resolve()).catch(() => undefined).finally(() => process.exit(0));
      setTimeout(() => process.exit(0), 2_000).unref();
    };
    process.on('SIGTERM', end);
    // The harness died without a goodbye: nothing may outlive it.
    process.on('disconnect', end);
    process.on('message', (message: MemberRequest) => {
      if (message.kind === 'request') void answer(name, member.handlers, message, send);
    });
    watchSelf(name, (event) => context.emit(event));
    send({ kind: 'ready', info: member.info });
    context.log(`ready pid=${process.pid}`);
  };
  run().catch((error: unknown) => {
    context.log(`failed to start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exit(1);
  });
}
