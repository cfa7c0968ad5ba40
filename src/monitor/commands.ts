import type { CommandReply } from './client.js';
import type { MonitorModel } from './model/model.js';
import { Errno, type CommandResult, type MonitorEffect } from './model/types.js';

/** What executes blocklist requests: in the loopback lab the block store, in a test an array. */
export interface BlocklistStore {
  /** Resolves to the store's epoch once no write of these clients can land any more. May reject: it is tried again. */
  blocklist(addresses: string[]): Promise<number>;
  list(): Promise<string[]>;
}

export type MonitorCommand = Readonly<Record<string, string | number>>;

export interface CommandContext {
  model: MonitorModel;
  store: BlocklistStore;
  nowMs: () => number;
  /** Carries out what a command has changed, before it is answered. */
  apply: (effects: MonitorEffect[]) => void;
}

class MissingArgument extends Error {}

function argument(command: MonitorCommand, key: string): string {
  const value = command[key];
  if (value === undefined || value === '') throw new MissingArgument(`missing required parameter ${key}`);
  return String(value);
}

type Handler = (context: CommandContext, command: MonitorCommand) => CommandReply | Promise<CommandReply>;

const text = (output: string): CommandReply => ({ code: 0, status: '', output });
const isPretty = (command: MonitorCommand): boolean => command['format'] !== 'json';

function change(run: (model: MonitorModel, nowMs: number, pool: string, group: string, id: string) => CommandResult): Handler {
  return ({ model, nowMs, apply }, command) => {
    // An empty group is a group: older clusters have one.
    const group = String(command['group'] ?? '');
    const { code, status, effects } = run(model, nowMs(), argument(command, 'pool'), group, argument(command, 'id'));
    apply(effects);
    return { code, status, output: '' };
  };
}

/** The monitor commands that this model answers, by their prefix in ceph src/mon/MonCommands.h. */
const handlers: Readonly<Record<string, Handler>> = {
  'nvme-gw create': change((model, nowMs, pool, group, id) => model.create(nowMs, pool, group, id)),
  'nvme-gw delete': change((model, nowMs, pool, group, id) => model.delete(nowMs, pool, group, id)),
  'nvme-gw enable': change((model, nowMs, pool, group, id) => model.enable(nowMs, pool, group, id)),
  'nvme-gw disable': change((model, nowMs, pool, group, id) => model.disable(nowMs, pool, group, id)),
  'nvme-gw set-location': (context, command) =>
    change((model, nowMs, pool, group, id) => model.setLocation(nowMs, pool, group, id, argument(command, 'location')))(context, command),
  'nvme-gw show': ({ model, nowMs }, command) =>
    text(model.show(nowMs(), argument(command, 'pool'), String(command['group'] ?? ''), isPretty(command))),
  'nvme-gw listeners': ({ model }, command) =>
    text(model.listeners(argument(command, 'pool'), String(command['group'] ?? ''), isPretty(command))),
  health: ({ model, nowMs }, command) => {
    const health = model.health(nowMs());
    return text(isPretty(command) ? [health.status, ...Object.keys(health.checks)].join(' ') : JSON.stringify(health));
  },
  // ceph prints two JSON arrays back to back: addresses, then ranges.
  'osd blocklist ls': async ({ store }) => text(`${JSON.stringify((await store.list()).map((addr) => ({ addr })))}[]`),
};

const notModelled = new Set(['nvme-gw disaster-set', 'nvme-gw disaster-clear', 'nvme-gw set']);

/** Answers one command; a bad one is an answer too (EINVAL). Rejects only if the store rejects. */
export async function answerCommand(context: CommandContext, command: MonitorCommand): Promise<CommandReply> {
  const prefix = String(command['prefix'] ?? '');
  if (notModelled.has(prefix)) return { code: Errno.notSupported, status: `the embedded monitor does not model ${prefix}`, output: '' };
  const handler = Object.hasOwn(handlers, prefix) ? handlers[prefix] : undefined;
  if (handler === undefined) return { code: Errno.invalid, status: `command not known: ${prefix || '(no prefix)'}`, output: '' };
  try {
    return await handler(context, command);
  } catch (error) {
    if (error instanceof MissingArgument) return { code: Errno.invalid, status: error.message, output: '' };
    throw error;
  }
}
