import type { AnaStateName, ControllerStateName, HistoryEvent } from '../../history/events.js';

/** What the host last said about one path. */
export interface PathState {
  host: string;
  path: string;
  controller: string;
  gateway: string;
  nsid: number;
  anaGroup: number;
  ana: AnaStateName;
  controllerState: ControllerStateName;
  usable: boolean;
}

/**
 * The host's paths as they change. A controller's state counts for all its paths from the moment of its own
 * event, because a host need not repeat it for each of them.
 */
export class PathBook {
  readonly #paths = new Map<string, PathState>();
  readonly #byNamespace = new Map<number, Set<PathState>>();
  readonly #controllers = new Map<string, ControllerStateName>();

  /** NSIDs whose paths changed with this event. */
  apply(event: HistoryEvent): number[] {
    switch (event.type) {
      case 'host.path': {
        const key = `${event.host} ${event.path}`;
        const { host, path, controller, gateway, nsid, anaGroup, ana, controllerState, usable } = event;
        const before = this.#paths.get(key);
        const state: PathState = Object.assign(before ?? {}, { host, path, controller, gateway, nsid, anaGroup, ana, controllerState, usable });
        this.#controllers.set(`${host} ${controller}`, controllerState);
        if (before === undefined) {
          this.#paths.set(key, state);
          const siblings = this.#byNamespace.get(nsid);
          if (siblings === undefined) this.#byNamespace.set(nsid, new Set([state]));
          else siblings.add(state);
        }
        return [nsid];
      }
      case 'host.path-gone': {
        const key = `${event.host} ${event.path}`;
        const state = this.#paths.get(key);
        if (state === undefined) return [];
        this.#paths.delete(key);
        this.#byNamespace.get(state.nsid)?.delete(state);
        return [state.nsid];
      }
      case 'host.controller': {
        const key = `${event.host} ${event.controller}`;
        if (this.#controllers.get(key) === event.state) return [];
        this.#controllers.set(key, event.state);
        const changed: number[] = [];
        for (const path of this.#paths.values()) {
          if (path.host !== event.host || path.controller !== event.controller) continue;
          path.controllerState = event.state;
          // What a controller said before it was lost says nothing about it now: unknown until the path's own event.
          if (event.state === 'live') path.ana = 'unknown';
          path.usable = false;
          changed.push(path.nsid);
        }
        return changed;
      }
      default:
        return [];
    }
  }

  /** The paths of one namespace, of all hosts or of one. */
  of(nsid: number, host?: string): PathState[] {
    return [...(this.#byNamespace.get(nsid) ?? [])].filter((path) => host === undefined || path.host === host);
  }
}

const anaRank: Record<AnaStateName, number> = { optimized: 5, 'non-optimized': 4, change: 3, inaccessible: 2, 'persistent-loss': 1, unknown: 0 };
const controllerRank: Record<ControllerStateName, number> = { live: 5, connecting: 4, resetting: 3, new: 2, unknown: 2, deleting: 1, dead: 0 };

/** Of several paths through one gateway (an old controller on its way out, a second listener) the most useful one. */
export function bestPath(paths: readonly PathState[]): PathState | undefined {
  return [...paths].sort(
    (a, b) => Number(b.usable) - Number(a.usable) || controllerRank[b.controllerState] - controllerRank[a.controllerState] || anaRank[b.ana] - anaRank[a.ana],
  )[0];
}

/** The host would take this path for an optimized one. */
export function isOptimized(path: PathState): boolean {
  return path.ana === 'optimized' && path.controllerState === 'live';
}
