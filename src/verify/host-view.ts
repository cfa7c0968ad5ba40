import type { EventOf, HistoryEvent } from '../history/events.js';

export type PathEvent = EventOf<'host.path'>;

/**
 * The paths as the hosts saw them, event by event. A path offers a namespace as *optimized* while its ANA state
 * is optimized and its controller live: the only state in which a host with an optimized path elsewhere may
 * send I/O on it too.
 */
export class HostView {
  /** Key: host, then path; the last event of each path that is there. */
  readonly #paths = new Map<string, PathEvent>();

  /** The path that the event changed and what was known of it; undefined: not a path event. */
  apply(event: HistoryEvent): { before: PathEvent | undefined; after: PathEvent | undefined } | undefined {
    if (event.type !== 'host.path' && event.type !== 'host.path-gone') return undefined;
    const key = `${event.host}\n${event.path}\n${event.nsUuid}`;
    const before = this.#paths.get(key);
    if (event.type === 'host.path') {
      this.#paths.set(key, event);
      return { before, after: event };
    }
    this.#paths.delete(key);
    return { before, after: undefined };
  }

  paths(): Iterable<PathEvent> {
    return this.#paths.values();
  }

  /** Optimized paths of one namespace at one host. */
  optimized(host: string, nsUuid: string): PathEvent[] {
    return [...this.#paths.values()].filter((path) => path.host === host && path.nsUuid === nsUuid && isOptimized(path));
  }

  /** Gateways with an optimized path to any namespace of the group. */
  owners(group: number): Set<string> {
    const owners = new Set<string>();
    for (const path of this.#paths.values()) if (path.anaGroup === group && isOptimized(path)) owners.add(path.gateway);
    return owners;
  }
}

export function isOptimized(path: PathEvent): boolean {
  return path.ana === 'optimized' && path.controllerState === 'live';
}
