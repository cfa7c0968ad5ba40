import type { NodeEvent } from '../../history/events.js';

/**
 * What a member of a lab and the harness say to each other, whatever carries it (Node's IPC on this machine,
 * JSON lines over a socket out of a guest): requests and replies one way, events the other.
 */
export type MemberMessage =
  | { kind: 'ready'; info: unknown }
  | { kind: 'event'; event: NodeEvent }
  | { kind: 'reply'; id: number; result?: unknown; error?: string };
export interface MemberRequest { kind: 'request'; id: number; method: string; params: unknown }

export interface MemberContext {
  /** Sends an event to the harness, stamped with this process's monotonic time unless `tUs` is given. */
  emit(event: NodeEvent | (Omit<NodeEvent, 'tUs'> & { tUs?: number })): void;
  log(line: string): void;
}
/** One handler per method that the harness may call. Params and results must survive JSON. */
export type MemberHandlers = Record<string, (params: never) => unknown>;

/** What a member's start function returns: what the harness is told first, and what it may call. */
export interface StartedMember {
  info: unknown;
  handlers: MemberHandlers;
  stop?: () => Promise<void>;
  /** Emits the present state of everything it reports by change; called whenever a harness begins to listen. */
  announce?: () => void;
}

export type StartMember<Config> = (config: Config, context: MemberContext) => Promise<StartedMember>;
