import type { MonitorGatewayView } from '../../history/events.js';
import { groupBy } from './group.js';
import type { Lane, LaneContext } from './lanes.js';
import { isOptimized, PathBook } from './paths.js';
import { Track } from './track.js';

/**
 * A lane per ANA group and party that has an opinion about who is optimized in it: monitor, gateways, each host. Where they
 * differ for longer than a hand-over takes, the failover is broken, whatever each of them says alone.
 */
export function ownerLanes(context: LaneContext): Lane[] {
  const groups = new Set<number>();
  for (const namespace of context.plan.topology.namespaces) groups.add(namespace.anaGroup);
  for (const gateway of context.plan.topology.gateways) groups.add(gateway.anaGroup);
  const numbers = [...groups].sort((a, b) => a - b);
  const length = context.endUs - context.t0Us;
  const views = [
    { name: 'monitor', tracks: monitorView(context, numbers) },
    { name: 'gateways', tracks: targetView(context, numbers) },
    ...context.hosts.map((host) => ({ name: hostViewName(context, host), tracks: hostView(context, numbers, host) })),
  ];
  return numbers.flatMap((group) =>
    views
      .map(({ name, tracks }): Lane => ({ label: `group ${group} · ${name}`, segments: tracks.get(group)!.end(length) }))
      .filter((lane) => lane.segments.length > 0),
  );
}

/** What the lanes of a host's view are called. */
export function hostViewName({ hosts }: Pick<LaneContext, 'hosts'>, host: string): string {
  return hosts.length > 1 ? host : 'host';
}

const tracksFor = (groups: readonly number[]): Map<number, Track> => new Map(groups.map((group) => [group, new Track()]));

function setOwners(track: Track, tUs: number, owners: readonly string[], detail: string): void {
  if (owners.length === 0) track.set(tUs, 'own:none', detail);
  else if (owners.length === 1) track.set(tUs, `gw:${owners[0]!}`, detail);
  else track.set(tUs, 'own:double', [owners.join(' + '), detail].filter((part) => part !== '').join(', '));
}

/** Exported as optimized by NVMeofGwMon: ACTIVE and WAIT_BLOCKLIST_CMPL. */
function monitorView(context: LaneContext, groups: readonly number[]): Map<number, Track> {
  const tracks = tracksFor(groups);
  for (const event of context.events) {
    if (event.type !== 'mon.map') continue;
    for (const [group, track] of tracks) {
      const stateOf = (gateway: MonitorGatewayView): string | undefined => gateway.states[String(group)];
      const owners = event.gateways.filter((gateway) => stateOf(gateway) === 'ACTIVE' || stateOf(gateway) === 'WAIT_BLOCKLIST_CMPL');
      const waiting = owners.filter((gateway) => stateOf(gateway) === 'WAIT_BLOCKLIST_CMPL').map((gateway) => `${gateway.id} waits for the blocklist`);
      setOwners(track, event.tUs - context.t0Us, owners.map((gateway) => gateway.id), waiting.join(', '));
    }
  }
  return tracks;
}

/** The gateways' own word; a gateway whose process has ended no longer has one. */
function targetView(context: LaneContext, groups: readonly number[]): Map<number, Track> {
  const tracks = tracksFor(groups);
  const optimized = new Map<string, Set<number>>();
  let heard = false;
  for (const event of context.events) {
    if (event.type === 'gw.state') {
      heard = true;
      const own = Object.entries(event.ana).filter(([, state]) => state === 'optimized').map(([group]) => Number(group));
      optimized.set(event.gateway, new Set(event.serving ? own : []));
    } else if (event.type === 'node' && (event.state === 'killed' || event.state === 'exited')) {
      optimized.delete(event.name);
    } else {
      continue;
    }
    if (!heard) continue;
    for (const [group, track] of tracks) {
      const owners = [...optimized].filter(([, own]) => own.has(group)).map(([name]) => name).sort();
      setOwners(track, event.tUs - context.t0Us, owners, '');
    }
  }
  return tracks;
}

/** The gateways through which the host would send: optimized on a live controller. */
function hostView(context: LaneContext, groups: readonly number[], host: string): Map<number, Track> {
  const tracks = tracksFor(groups);
  const book = new PathBook();
  const groupOf = new Map(context.plan.topology.namespaces.map((namespace) => [namespace.nsid, namespace.anaGroup]));
  const members = groupBy([...groupOf.keys()], (nsid) => groupOf.get(nsid)!);
  for (const event of context.events) {
    const changed = new Set(book.apply(event).map((nsid) => groupOf.get(nsid)));
    for (const group of changed) {
      const track = group === undefined ? undefined : tracks.get(group);
      if (track === undefined) continue;
      const perNamespace = members.get(group!)!.map((nsid) => [...new Set(book.of(nsid, host).filter(isOptimized).map((path) => path.gateway))].sort());
      const owners = [...new Set(perNamespace.flat())].sort();
      const served = perNamespace.filter((names) => names.length > 0).length;
      const partly = served > 0 && served < perNamespace.length ? `${served} of ${perNamespace.length} namespaces` : '';
      // Two gateways in one group are a double owner only if one namespace sees both of them.
      if (owners.length > 1 && perNamespace.every((names) => names.length < 2)) track.set(event.tUs - context.t0Us, 'own:mixed', owners.join(' + '));
      else setOwners(track, event.tUs - context.t0Us, owners, partly);
    }
  }
  return tracks;
}
