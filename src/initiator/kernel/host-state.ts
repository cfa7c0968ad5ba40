import type { ControllerStateName, EventBody } from '../../history/events.js';
import type { SampledChange, SampledController, SampledPath } from './path-sampler.js';
import { anaStateOf, controllerStateOf, pathUsable } from './states.js';

export type HostEventBody = Extract<EventBody, { type: 'host.controller' | 'host.path' | 'host.path-gone' }>;
type PathBody = Extract<EventBody, { type: 'host.path' }>;

export interface HostStateOptions {
  host: string;
  /** The gateway behind an address. */
  gatewayOf: (address: { traddr: string; trsvcid: string }) => string;
  /** Why a controller may have left the live state, if anything is known of it. */
  causeOf: (controller: string) => string | undefined;
}

/** The host's view, folded from what the sampler finds into the events of the history: only changes, and all of them. */
export class HostState {
  readonly #options: HostStateOptions;
  readonly #controllers = new Map<string, SampledController>();
  readonly #paths = new Map<string, SampledPath>();
  /** What was last told of each path, as text. */
  readonly #told = new Map<string, string>();

  constructor(options: HostStateOptions) {
    this.#options = options;
  }

  get controllers(): SampledController[] {
    return [...this.#controllers.values()];
  }
  get paths(): SampledPath[] {
    return [...this.#paths.values()];
  }

  gatewayOf(controller: string): string {
    const known = this.#controllers.get(controller);
    return known === undefined ? '' : this.#options.gatewayOf(known);
  }

  controllerState(name: string): ControllerStateName {
    const controller = this.#controllers.get(name);
    return controller === undefined ? 'dead' : controllerStateOf(controller.state);
  }

  /** The namespaces that the head may send I/O for, by UUID. */
  usableNamespaces(): Set<string> {
    return new Set(this.paths.filter((path) => this.#pathBody(path).usable).map(({ nsUuid }) => nsUuid));
  }

  /** Takes over what one sample has found. */
  apply(changes: readonly SampledChange[]): HostEventBody[] {
    const events: HostEventBody[] = [];
    for (const change of changes) {
      switch (change.kind) {
        case 'controller':
          this.#controllers.set(change.controller.name, change.controller);
          events.push(this.#controllerBody(change.controller));
          break;
        case 'controller-gone': {
          const controller = this.#controllers.get(change.name);
          if (controller === undefined) break;
          this.#controllers.delete(change.name);
          events.push({ ...this.#controllerBody(controller), state: 'dead', cause: 'removed' });
          break;
        }
        case 'path':
          this.#paths.set(change.path.name, change.path);
          break;
        case 'path-gone':
          events.push(...this.#pathGone(change.name));
          break;
      }
    }
    // A path changes with its controller, too.
    for (const path of this.#paths.values()) {
      const body = this.#pathBody(path);
      const text = JSON.stringify(body);
      if (this.#told.get(path.name) === text) continue;
      this.#told.set(path.name, text);
      const cause = body.controllerState === 'live' ? undefined : this.#options.causeOf(path.controller);
      events.push(cause === undefined ? body : { ...body, cause });
    }
    return events;
  }

  /** All that is there, as events. */
  everything(): HostEventBody[] {
    return [...this.controllers.map((controller) => this.#controllerBody(controller)), ...this.paths.map((path) => this.#pathBody(path))];
  }

  #controllerBody(controller: SampledController): Extract<EventBody, { type: 'host.controller' }> {
    const { name, traddr, trsvcid, cntlid, state: text } = controller;
    const state = controllerStateOf(text);
    const cause = state === 'unknown' ? `state "${text ?? ''}"` : state === 'live' ? undefined : this.#options.causeOf(name);
    return {
      type: 'host.controller', host: this.#options.host, controller: name, gateway: this.#options.gatewayOf(controller), address: `${traddr}:${trsvcid}`,
      cntlid, state, ...(cause === undefined ? {} : { cause }),
    };
  }

  #pathBody(path: SampledPath): PathBody {
    const controller = this.#controllers.get(path.controller);
    return {
      type: 'host.path', host: this.#options.host, path: path.name, controller: path.controller, gateway: this.gatewayOf(path.controller), nsUuid: path.nsUuid, nsid: path.nsid,
      anaGroup: path.anaGroup, ana: anaStateOf(path.anaState), controllerState: this.controllerState(path.controller), usable: pathUsable(controller?.state, path.anaState),
    };
  }

  #pathGone(name: string): HostEventBody[] {
    const path = this.#paths.get(name);
    if (path === undefined) return [];
    // Its controller may be gone already, in the same sample.
    const told = this.#told.get(name);
    const gateway = told === undefined ? this.gatewayOf(path.controller) : (JSON.parse(told) as PathBody).gateway;
    this.#paths.delete(name);
    this.#told.delete(name);
    return [{ type: 'host.path-gone', host: this.#options.host, path: name, controller: path.controller, gateway, nsUuid: path.nsUuid, nsid: path.nsid, cause: 'removed' }];
  }
}
