import { sleep } from '../../util/clock.js';
import { messageOf } from '../../util/errors.js';

/** The subsystem that a group of real gateways (ceph-nvmeof) is to serve. */
export interface NvmeofSubsystem {
  nqn: string;
  pool: string;
  group: string;
  listeners: readonly { host: string; address: string; port: number }[];
  /** `identity`: as whom hosts shall know it; without, the gateway gives it a number and a UUID. */
  namespaces: readonly { image: string; anaGroup: number; identity?: { nsid: number; uuid: string } }[];
}

/** One of its objects: words of a command line that lists those of its kind as JSON, a value that its line has there, and words that make it. */
export interface NvmeofObject { title: string; list: string[]; find: string; add: string[] }

/**
 * Two dialects of one command line: `ceph nvmeof`, which the manager has (Ceph 20 and newer), and the gateway's own (control.cli, the container
 * nvmeof-cli), which speaks to one gateway.
 */
export type NvmeofDialect = 'manager' | 'gateway';

/** Words that name a listener, in both dialects. */
export function listenerWords({ host, address, port }: NvmeofSubsystem['listeners'][number]): string[] {
  return ['--host-name', host, '--traddr', address, '--trsvcid', String(port)];
}

/** What makes the subsystem, in this order: itself, its listeners, hosts and namespaces, each in its load-balancing group. */
export function nvmeofObjects({ nqn, listeners, namespaces, pool, group }: NvmeofSubsystem, dialect: NvmeofDialect): NvmeofObject[] {
  const isManager = dialect === 'manager';
  const subsystem = isManager ? '--nqn' : '--subsystem';
  const inGroup = isManager ? ['--gw-group', group] : [];
  const image = isManager ? '--rbd-image-name' : '--rbd-image';
  return [
    { title: `subsystem ${nqn}`, list: ['subsystem', 'list', ...inGroup], find: nqn, add: ['subsystem', 'add', subsystem, nqn, ...(isManager ? ['--no-group-append=true'] : ['--no-group-append']), ...inGroup] },
    ...listeners.map((listener): NvmeofObject => ({
      title: `listener ${listener.address}:${listener.port} at ${listener.host}`, list: ['listener', 'list', subsystem, nqn, ...inGroup], find: listener.address,
      add: ['listener', 'add', subsystem, nqn, ...listenerWords(listener), ...inGroup],
    })),
    { title: 'any host', list: ['host', 'list', subsystem, nqn, ...inGroup], find: 'allow_any_host', add: ['host', 'add', subsystem, nqn, '--host-nqn', '*', ...inGroup] },
    ...namespaces.map(({ image: name, anaGroup, identity }): NvmeofObject => ({
      title: `namespace of ${name} in load-balancing group ${anaGroup}`, list: ['namespace', 'list', subsystem, nqn, ...inGroup], find: name,
      add: [
        'namespace', 'add', subsystem, nqn, '--rbd-pool', pool, image, name, '--load-balancing-group', String(anaGroup),
        ...(identity === undefined ? [] : ['--nsid', String(identity.nsid), '--uuid', identity.uuid]), ...inGroup,
      ],
    })),
  ];
}

/**
 * How long a namespace may be refused because its load-balancing group "doesn't exist": a gateway asks the monitor for the group's gateways every
 * 10 s at most (ceph-nvmeof, control/cephutils.py, get_number_created_gateways), and one that has just come is not among them. Milliseconds.
 */
const groupsKnownMaxMs = 20_000;
const retryMs = 1_000;

/** Repeats what makes an object until it succeeds, for as long as a refusal may be one of those. */
export async function whenGroupsAreKnown<T>(add: () => Promise<T>, maxMs = groupsKnownMaxMs): Promise<T> {
  const deadline = Date.now() + maxMs;
  for (;;) {
    try {
      return await add();
    } catch (error) {
      if (!/doesn't exist/.test(messageOf(error)) || Date.now() >= deadline) throw error;
      await sleep(Math.min(retryMs, maxMs));
    }
  }
}

/** What a gateway answers with: a status of its own, an errno. A refusal may be told by that alone. */
export function nvmeofStatus(output: string): number {
  const from = output.indexOf('{');
  if (from < 0) return 0;
  try {
    return Number((JSON.parse(output.slice(from)) as { status?: number }).status ?? 0);
  } catch {
    return 0;
  }
}

/** Is there a value like this in a list's JSON (or, of a flag, is it true)? */
export function isListed(output: string, wanted: string): boolean {
  const from = output.search(/[{[]/);
  if (from < 0) return false;
  const within = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(within);
    if (typeof value !== 'object' || value === null) return value === wanted;
    return Object.entries(value).some(([key, inner]) => (key === wanted && inner === true) || within(inner));
  };
  return within(JSON.parse(output.slice(from)));
}
