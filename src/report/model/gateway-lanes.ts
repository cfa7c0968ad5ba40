import { entryOf } from './group.js';
import type { Lane, LaneContext } from './lanes.js';
import { Track } from './track.js';

/** The monitor's view of each gateway: one lane of availability, and one lane per ANA group. */
export function monitorLanes(context: LaneContext): { availability: Map<string, Lane>; groups: Map<string, Lane[]> } {
  const length = context.endUs - context.t0Us;
  const availability = new Map<string, Track>();
  const groups = new Map<string, Map<string, Track>>();
  for (const event of context.events) {
    if (event.type !== 'mon.map') continue;
    const tUs = event.tUs - context.t0Us;
    const present = new Set(event.gateways.map((gateway) => gateway.id));
    for (const gateway of event.gateways) {
      const detail = `${gateway.adminState === 'DISABLED' ? 'DISABLED, ' : ''}${gateway.listeners} listeners, ${gateway.namespaces} namespaces`;
      entryOf(availability, gateway.id, () => new Track()).set(tUs, `av:${gateway.availability}`, detail);
      const own = entryOf(groups, gateway.id, () => new Map<string, Track>());
      for (const [group, state] of Object.entries(gateway.states)) entryOf(own, group, () => new Track()).set(tUs, `grp:${state}`);
    }
    for (const [id, track] of availability) if (!present.has(id)) track.set(tUs, null);
    for (const [id, own] of groups) if (!present.has(id)) for (const track of own.values()) track.set(tUs, null);
  }
  return {
    availability: new Map([...availability].map(([id, track]) => [id, { label: 'monitor: availability', segments: track.end(length) }])),
    groups: new Map(
      [...groups].map(([id, own]) => [
        id,
        [...own].sort(([a], [b]) => Number(a) - Number(b)).map(([group, track]) => ({ label: `group ${group}`, segments: track.end(length) })),
      ]),
    ),
  };
}

/** Node name → the lane of its process. The harness itself has none. */
export function processLanes(context: LaneContext): Map<string, Lane> {
  const tracks = new Map<string, Track>();
  for (const event of context.events) {
    if (event.type !== 'node') continue;
    const detail = [
      event.pid === undefined ? '' : `pid ${event.pid}`,
      event.state === 'exited' && event.exitCode !== undefined && event.exitCode !== null ? `exit code ${event.exitCode}` : '',
      event.signal ?? '',
      event.expected === false ? 'not expected' : '',
      event.detail ?? '',
    ].filter((part) => part !== '').join(', ');
    // A killed process also exits; the kill is what the reader looks for.
    const track = entryOf(tracks, event.name, () => new Track());
    const state = event.state === 'resumed' ? 'ready' : event.state === 'exited' && event.signal === 'SIGKILL' ? 'killed' : event.state;
    track.set(event.tUs - context.t0Us, `proc:${state}`, detail);
  }
  return new Map([...tracks].map(([name, track]) => [name, { label: context.gateways.includes(name) ? 'process' : name, segments: track.end(context.endUs - context.t0Us) }]));
}

/** Gateway → one lane per host with the state of its controller there. */
export function controllerLanes(context: LaneContext): Map<string, Lane[]> {
  const tracks = new Map<string, Map<string, Track>>();
  for (const event of context.events) {
    if (event.type !== 'host.controller') continue;
    const own = entryOf(tracks, event.gateway, () => new Map<string, Track>());
    const detail = `${event.controller} ${event.address}, cntlid ${event.cntlid}${event.cause === undefined ? '' : `, ${event.cause}`}`;
    entryOf(own, event.host, () => new Track()).set(event.tUs - context.t0Us, `ctrl:${event.state}`, detail);
  }
  return new Map(
    [...tracks].map(([gateway, own]) => [
      gateway,
      [...own].map(([host, track]) => ({
        label: context.hosts.length > 1 ? `${host}: controller` : 'host: controller',
        segments: track.end(context.endUs - context.t0Us),
      })),
    ]),
  );
}
