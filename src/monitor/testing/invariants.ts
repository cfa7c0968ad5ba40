import type { MonitorGatewayView } from '../../history/events.js';
import type { Beacon } from '../client.js';
import { group, pool, type Simulation } from './simulation.js';

/**
 * What must hold after every single input of the monitor model, whatever has happened so far. `check`
 * throws with the reason. It keeps its own account of who held which group, from `show` alone, so that it
 * shares no code with what it judges.
 */
export class SafetyMonitor {
  private readonly fencing: boolean;
  private views = new Map<string, MonitorGatewayView>();
  private exported = new Map<number, string[]>();
  /** The nonce that each gateway last reported as AVAILABLE. */
  private readonly reported = new Map<string, string>();
  /** ANA group → who was declared down holding it, and the nonce that must be fenced before anybody else serves it. */
  private readonly unfenced = new Map<number, { gateway: string; nonce: string }>();
  /** Gateways that were declared down and have not started anew since. */
  private readonly mustRestart = new Set<string>();

  /**
   * `fencing` false: leaves out what NVMeofGwMon does not keep (the model's safeguards are what it takes): that nobody
   * serves before the last holder is blocklisted, and that never two serve who can write.
   */
  constructor({ fencing = true }: { fencing?: boolean } = {}) {
    this.fencing = fencing;
  }

  check(sim: Simulation, beacon?: Beacon): void {
    const views = new Map(sim.model.gateways(pool, group).map((view) => [view.id, view]));
    const exported = sim.model.optimizedAt(pool, group);
    this.noteDeaths(views);
    // After the deaths: the beacon of a new incarnation may be what made the monitor look at the old one's age.
    if (beacon !== undefined) this.note(beacon);
    this.oneOwner(sim, views, exported);
    if (this.fencing) this.fencedFirst(sim, exported);
    this.restartedFirst(sim, views);
    if (this.fencing) this.oneServer(sim);
    this.views = views;
    this.exported = exported;
  }

  private note(beacon: Beacon): void {
    const nonce = beacon.subsystems[0]?.namespaces[0]?.nonce;
    if (nonce !== undefined) this.reported.set(beacon.gwId, nonce);
    // A new incarnation: the process that held the nonce is gone.
    if (beacon.availability !== 'CREATED') return;
    this.forget(beacon.gwId);
    this.mustRestart.delete(beacon.gwId);
  }

  private forget(gateway: string): void {
    for (const [anaGroup, held] of this.unfenced) if (held.gateway === gateway) this.unfenced.delete(anaGroup);
  }

  private noteDeaths(views: ReadonlyMap<string, MonitorGatewayView>): void {
    for (const [id, before] of this.views) {
      const now = views.get(id)?.availability ?? 'DELETING';
      if (now === 'AVAILABLE') this.forget(id);
      if (before.availability === 'AVAILABLE' && now === 'UNAVAILABLE') this.mustRestart.add(id);
      if (now === 'CREATED' || now === 'DELETING') this.mustRestart.delete(id);
      if (before.availability !== 'AVAILABLE' || (now !== 'UNAVAILABLE' && now !== 'DELETING')) continue;
      const nonce = this.reported.get(id);
      if (nonce === undefined) continue;
      for (const [text, state] of Object.entries(before.states)) {
        const anaGroup = Number(text);
        const mayServe = this.exported.get(anaGroup)?.includes(id) === true || state === 'WAIT_FAILBACK_PREPARED';
        if (mayServe) this.unfenced.set(anaGroup, { gateway: id, nonce });
      }
    }
  }

  /** Never two gateways exported OPTIMIZED, or ACTIVE, for one group. */
  private oneOwner(sim: Simulation, views: ReadonlyMap<string, MonitorGatewayView>, exported: ReadonlyMap<number, string[]>): void {
    for (const [anaGroup, ids] of exported) {
      if (ids.length > 1) throw new Error(`${sim.nowMs()} ms: group ${anaGroup} is exported OPTIMIZED to ${ids.join(' and ')}`);
    }
    const active = new Map<string, string>();
    for (const { id, states } of views.values()) {
      for (const [anaGroup, state] of Object.entries(states)) {
        if (state !== 'ACTIVE') continue;
        const other = active.get(anaGroup);
        if (other !== undefined) throw new Error(`${sim.nowMs()} ms: group ${anaGroup} is ACTIVE at ${other} and ${id}`);
        active.set(anaGroup, id);
      }
    }
  }

  /** Nobody is told to serve a group before its last holder, if it was declared down, is blocklisted. */
  private fencedFirst(sim: Simulation, exported: ReadonlyMap<number, string[]>): void {
    for (const [anaGroup, [id]] of exported) {
      const held = this.unfenced.get(anaGroup);
      if (held === undefined) continue;
      if (held.gateway !== id && !sim.blocklisted.has(held.nonce)) {
        throw new Error(`${sim.nowMs()} ms: ${id} was told to serve group ${anaGroup} while ${held.gateway} (${held.nonce}) was not blocklisted`);
      }
      this.unfenced.delete(anaGroup);
    }
  }

  /** A gateway that was declared down is AVAILABLE again only as a new incarnation (or after a delete and create). */
  private restartedFirst(sim: Simulation, views: ReadonlyMap<string, MonitorGatewayView>): void {
    for (const { id, availability } of views.values()) {
      if (availability === 'AVAILABLE' && this.mustRestart.has(id)) throw new Error(`${sim.nowMs()} ms: ${id} was declared down and is AVAILABLE again without a restart`);
    }
  }

  /** The gateways' own side: never two that would serve a host's I/O of one group and that the store lets write. */
  private oneServer(sim: Simulation): void {
    const server = new Map<number, string>();
    for (const agent of sim.agents.values()) {
      if (sim.blocklisted.has(agent.nonce)) continue;
      for (const anaGroup of agent.optimized) {
        if (!agent.serves(anaGroup)) continue;
        const other = server.get(anaGroup);
        if (other !== undefined) throw new Error(`${sim.nowMs()} ms: group ${anaGroup} is served by ${other} and ${agent.id}, both can write`);
        server.set(anaGroup, agent.id);
      }
    }
  }
}

/**
 * What must hold once nothing has gone wrong for long enough: every ANA group ACTIVE exactly once, at an
 * AVAILABLE gateway, at its owner if that is AVAILABLE; and the gateways serve just what the monitor says.
 * Returns the reason why not, or undefined. Vacuous only if no gateway is able to serve.
 */
export function unsettledReason(sim: Simulation): string | undefined {
  const views = sim.model.gateways(pool, group);
  const able = views.filter(({ id, adminState, availability }) => {
    const agent = sim.agents.get(id);
    return agent?.alive === true && agent.listening && adminState === 'ENABLED' && availability !== 'DELETING';
  });
  const dead = able.find(({ availability }) => availability !== 'AVAILABLE');
  if (dead !== undefined) return `${dead.id} beacons and is ${dead.availability}`;
  if (able.length === 0) return undefined;
  for (const owner of views) {
    const active = views.filter(({ states }) => states[owner.anaGroup] === 'ACTIVE');
    const where = `group ${owner.anaGroup} of ${owner.id} (${owner.availability})`;
    if (active.length !== 1) return `${where} is ACTIVE at ${active.map(({ id }) => id).join(' and ') || 'no gateway'}`;
    const [holder] = active;
    if (holder!.availability !== 'AVAILABLE') return `${where} is ACTIVE at ${holder!.id}, which is ${holder!.availability}`;
    if (owner.availability === 'AVAILABLE' && holder!.id !== owner.id) return `${where} is ACTIVE at ${holder!.id}`;
    if (sim.blocklisted.has(sim.agent(holder!.id).nonce)) return `${where} is ACTIVE at ${holder!.id}, whose nonce is blocklisted`;
    const servers = [...sim.agents.values()].filter((agent) => agent.serves(owner.anaGroup)).map(({ id }) => id);
    if (servers.length !== 1 || servers[0] !== holder!.id) return `${where} is ACTIVE at ${holder!.id} but served by ${servers.join(' and ') || 'no gateway'}`;
  }
  return undefined;
}
