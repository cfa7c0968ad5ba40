import type { HistoryEvent } from '../../history/events.js';
import { hostOf } from '../../plan/hosts.js';
import type { Plan } from '../../plan/types.js';
import { formatSpan } from '../format.js';
import { stallVerdict } from '../stalls.js';
import type { ReportStall } from '../types.js';
import { controllerLanes, monitorLanes, processLanes } from './gateway-lanes.js';
import { entryOf, groupBy } from './group.js';
import { hostViewName, ownerLanes } from './owner-lanes.js';
import { bestPath, isOptimized, PathBook } from './paths.js';
import { Track, type Segment } from './track.js';

export interface Lane {
  label: string;
  segments: Segment[];
}

/** Lanes that fold away together; those without a title always show. */
export interface LaneSection {
  title: string | null;
  /** Unfolded when the page opens. */
  open: boolean;
  lanes: Lane[];
}

export interface LaneBlock {
  id: string;
  title: string;
  note: string;
  sections: LaneSection[];
}

/** What all lane builders need. Segments come out relative to `t0Us`. */
export interface LaneContext {
  plan: Plan;
  events: readonly HistoryEvent[];
  stalls: readonly ReportStall[];
  t0Us: number;
  endUs: number;
  /** Names from the plan, then any other that the history names. */
  gateways: string[];
  hosts: string[];
}

/** Above this many lanes the inner sections start folded. */
const openLanesMax = 90;

/** All lanes of a run: ANA groups and their owners, namespaces, then each gateway with its paths, then the other processes. */
export function laneBlocks(context: LaneContext): LaneBlock[] {
  const { gateways } = context;
  const owners = ownerLanes(context);
  const heads = headLanes(context);
  const paths = pathLanes(context);
  const monitor = monitorLanes(context);
  const processes = processLanes(context);
  const controllers = controllerLanes(context);

  const total = owners.length + heads.length + gateways.reduce((sum, name) => sum + (paths.get(name)?.length ?? 0) + (monitor.groups.get(name)?.length ?? 0) + 3, 0);
  const open = total <= openLanesMax;
  const blocks: LaneBlock[] = [];
  if (owners.length > 0) {
    const note = 'who is optimized: as the monitor orders it, as the gateways say it, as each host sees it';
    const few = owners.length <= 24;
    const names = context.hosts.map((host) => ` · ${hostViewName(context, host)}`);
    const hostsView = owners.filter((lane) => names.some((name) => lane.label.endsWith(name)));
    const sections: LaneSection[] = few
      ? [{ title: null, open: true, lanes: owners }]
      : [{ title: null, open: true, lanes: hostsView }, { title: 'all views of each group', open: false, lanes: owners }];
    blocks.push({ id: 'groups', title: 'ANA groups', note, sections });
  }
  if (heads.length > 0) {
    const few = heads.length <= 12;
    blocks.push({
      id: 'namespaces', title: 'Namespaces', note: 'the gateway whose path serves it, queueing, and stalls (strip below)',
      sections: [{ title: few ? null : 'namespaces', open, lanes: heads }],
    });
  }
  for (const name of gateways) {
    const group = context.plan.topology.gateways.find((gateway) => gateway.name === name)?.anaGroup;
    const always = [processes.get(name), monitor.availability.get(name), ...(controllers.get(name) ?? [])].filter((lane) => lane !== undefined);
    const sections: LaneSection[] = [{ title: null, open: true, lanes: always }];
    const groups = monitor.groups.get(name) ?? [];
    if (groups.length > 0) sections.push({ title: "monitor's state per ANA group", open, lanes: groups });
    const own = paths.get(name) ?? [];
    if (own.length > 0) sections.push({ title: 'paths (host)', open, lanes: own });
    if (always.length + groups.length + own.length === 0) continue;
    blocks.push({ id: `gateway-${name}`, title: name, note: group === undefined ? 'not in the plan' : `owner of ANA group ${group}`, sections });
  }
  const others = [...processes].filter(([name]) => !gateways.includes(name)).map(([, lane]) => lane);
  if (others.length > 0) {
    blocks.push({ id: 'nodes', title: 'Other nodes', note: 'processes of the lab', sections: [{ title: null, open: true, lanes: others }] });
  }
  return blocks;
}

/** `ns 3 · group 1`, with the host in front where there is more than one. */
export function namespaceLabel(plan: Plan, nsid: number): string {
  const known = plan.topology.namespaces.find((namespace) => namespace.nsid === nsid);
  return known === undefined ? `ns ${nsid}` : `ns ${nsid} · group ${known.anaGroup}${known.idle ? ' · idle' : ''}`;
}

const hostPrefix = (context: LaneContext, host: string): string => (context.hosts.length > 1 ? `${host} · ` : '');

function nsidsOf(context: LaneContext): number[] {
  const nsids = new Set(context.plan.topology.namespaces.map((namespace) => namespace.nsid));
  for (const event of context.events) if (event.type === 'host.path') nsids.add(event.nsid);
  return [...nsids].sort((a, b) => a - b);
}

/** One lane per host and namespace: the gateway that serves it, or queueing; stalls on the strip. */
function headLanes(context: LaneContext): Lane[] {
  const { events, t0Us, endUs, hosts } = context;
  const nsids = nsidsOf(context);
  const tracks = new Map<string, Track>();
  for (const host of hosts) for (const nsid of nsids) tracks.set(`${host} ${nsid}`, new Track());
  const book = new PathBook();
  const queueing = new Map<string, string>();

  const update = (host: string, nsid: number, tUs: number): void => {
    const track = tracks.get(`${host} ${nsid}`);
    if (track === undefined) return;
    const waiting = queueing.get(`${host} ${nsid}`);
    if (waiting !== undefined) return track.set(tUs, 'ns:queueing', waiting);
    const paths = book.of(nsid, host);
    const serving = paths.filter(isOptimized);
    const usable = serving.length > 0 ? serving : paths.filter((path) => path.usable);
    const names = [...new Set(usable.map((path) => path.gateway))];
    if (names.length > 1) track.set(tUs, serving.length > 0 ? 'own:double' : 'own:mixed', names.join(' + '));
    else if (names.length === 1) track.set(tUs, `gw:${names[0]!}`, serving.length > 0 ? 'optimized' : 'non-optimized');
    else track.set(tUs, paths.length === 0 ? null : 'ns:none', 'no usable path');
  };
  for (const event of events) {
    const tUs = event.tUs - t0Us;
    if (event.type === 'host.queue') {
      const key = `${event.host} ${event.nsid}`;
      if (event.state === 'queueing') queueing.set(key, `no usable path, ${event.depth} waiting`);
      else queueing.delete(key);
      update(event.host, event.nsid, tUs);
    } else {
      for (const nsid of book.apply(event)) for (const host of hosts) update(host, nsid, tUs);
    }
  }
  const stalls = stallSegments(context);
  return [...tracks].map(([key, track]) => {
    const [host, nsid] = [key.slice(0, key.lastIndexOf(' ')), Number(key.slice(key.lastIndexOf(' ') + 1))];
    return {
      label: hostPrefix(context, host) + namespaceLabel(context.plan, nsid),
      segments: [...track.end(endUs - t0Us), ...(loads(context, host, nsid) ? (stalls.get(nsid) ?? []) : [])],
    };
  });
}

/** A namespace's I/O, and so its stalls, belong to one host. */
function loads({ plan: { topology }, hosts }: LaneContext, host: string, nsid: number): boolean {
  const namespace = topology.namespaces.find((each) => each.nsid === nsid);
  return hosts.length === 1 || namespace === undefined || hostOf(topology, namespace) === host;
}

function stallSegments(context: LaneContext): Map<number, Segment[]> {
  const byNamespace = new Map<number, Segment[]>();
  for (const stall of context.stalls) {
    const segment: Segment = {
      fromUs: stall.fromUs - context.t0Us, toUs: stall.toUs - context.t0Us,
      state: `ns:stall-${stallVerdict(stall) === 'hidden' ? 'doubtful' : stallVerdict(stall)}`,
      detail: `allowed ${formatSpan(stall.allowedMs * 1_000)}, ${stall.attribution}`, layer: 1,
    };
    entryOf(byNamespace, stall.ns, () => []).push(segment);
  }
  return byNamespace;
}

/** Gateway → one lane per namespace (and host): ANA state while the controller is live, else the controller's state. */
function pathLanes(context: LaneContext): Map<string, Lane[]> {
  const { events, t0Us, endUs, hosts } = context;
  const book = new PathBook();
  const tracks = new Map<string, { gateway: string; host: string; nsid: number; track: Track }>();
  for (const event of events) {
    for (const nsid of book.apply(event)) {
      for (const host of hosts) {
        const byGateway = groupBy(book.of(nsid, host), (path) => path.gateway);
        for (const [gateway, paths] of byGateway) {
          const key = `${host} ${gateway} ${nsid}`;
          const entry = entryOf(tracks, key, () => ({ gateway, host, nsid, track: new Track() }));
          const best = bestPath(paths)!;
          const several = paths.length > 1 ? `, best of ${paths.length} paths` : '';
          if (best.controllerState === 'live') entry.track.set(event.tUs - t0Us, `ana:${best.ana}`, `${best.path}${several}`);
          else entry.track.set(event.tUs - t0Us, `ctrl:${best.controllerState}`, `${best.path}, last ANA state ${best.ana}${several}`);
        }
        for (const entry of tracks.values()) {
          if (entry.nsid === nsid && entry.host === host && !byGateway.has(entry.gateway)) entry.track.set(event.tUs - t0Us, null);
        }
      }
    }
  }
  const lanes = new Map<string, Lane[]>();
  const ordered = [...tracks.values()].sort((a, b) => a.nsid - b.nsid || a.host.localeCompare(b.host));
  for (const { gateway, host, nsid, track } of ordered) {
    const lane = { label: hostPrefix(context, host) + namespaceLabel(context.plan, nsid), segments: track.end(endUs - t0Us) };
    entryOf(lanes, gateway, () => []).push(lane);
  }
  return lanes;
}
