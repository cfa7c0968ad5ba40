import { infraError } from '../util/errors.js';
import type { CephadmDaemon, CephadmNode } from '../lab/types.js';
import { cephadmFaultNames, cephadmOrders, orchWords, type CephadmFaultName, type CephadmOrder } from './cephadm-specs.js';
import { gatewayOf, whenRunning, type Confirmation, type FaultContext, type FaultDriver } from './driver.js';
import { askUntilSeen, hostLost, processRuns, recovered } from './observing.js';
import { faultSpecs } from './specs.js';

/** What podman, cephadm and the monitor say of a gateway's host at one moment. */
interface Seen {
  /** Ids of the gateways' containers that run there. */
  containers: string[];
  daemons: CephadmDaemon[];
  /** The gateways of that host in the monitor's map, with their availability. */
  known: { id: string; anaGroup: number; availability: string }[];
  /** Commands of cephadm about the gateways of this host in the monitor's audit log, since the injection began. */
  audit: string[];
}

/** The same before the fault. */
interface Before { container: string; daemon: string; id: string; audit: ReadonlySet<string> }

interface Looks {
  /** Is this what the fault looks like, to everybody but the injector? */
  took: (seen: Seen, before: Before) => boolean;
  /** And this what its heal looks like? */
  healed: (seen: Seen, before: Before) => boolean;
}

const lookAgainMs = 300;
const removed = (seen: Seen, before: Before): boolean => seen.containers.length === 0
  && !seen.daemons.some(({ name }) => name === before.daemon)
  && saysCommand(seen.audit, 'nvme-gw delete', before.id)
  && seen.known.every(({ id, availability }) => id !== before.id || availability === 'DELETING');
const runsAnew = (seen: Seen, before: Before): boolean => seen.containers.length === 1 && seen.containers[0] !== before.container
  && seen.daemons.some(({ name, status }) => name !== before.daemon && status === 'running')
  && seen.known.some(({ id, availability }) => id !== before.id && availability !== 'DELETING');
const stopped = (seen: Seen, before: Before): boolean => seen.containers.length === 0 && seen.known.some(({ id }) => id === before.id) && !saysCommand(seen.audit, 'nvme-gw delete', before.id);
const runsAgain = (seen: Seen, before: Before): boolean => seen.containers.length === 1 && seen.containers[0] !== before.container
  && seen.daemons.some(({ name, status }) => name === before.daemon && status === 'running')
  && seen.known.some(({ id }) => id === before.id);

/** What each fault by cephadm and podman (its orders: cephadm-specs.ts) looks like. */
const looksOf: Record<CephadmFaultName, Looks> = {
  'cephadm.remove': { took: removed, healed: runsAnew },
  'cephadm.replace': { took: (seen, before) => runsAnew(seen, before) && saysCommand(seen.audit, 'nvme-gw delete', before.id), healed: runsAnew },
  'cephadm.placement': { took: removed, healed: runsAnew },
  'cephadm.drain': { took: removed, healed: runsAnew },
  'cephadm.service-remove': { took: removed, healed: runsAnew },
  'cephadm.stop': { took: (seen, before) => stopped(seen, before) && seen.daemons.some(({ name, status }) => name === before.daemon && status === 'stopped'), healed: runsAgain },
  'cephadm.maintenance': { took: stopped, healed: runsAgain },
  'cephadm.restart': { took: runsAgain, healed: runsAgain },
  'cephadm.redeploy': { took: (seen, before) => runsAgain(seen, before) && saysCommand(seen.audit, 'nvme-gw create', before.id), healed: runsAgain },
  'cephadm.container-kill': { took: stopped, healed: runsAgain },
};

/** Who brings a gateway back where nothing is left to heal. */
const bringsBack: Partial<Record<CephadmFaultName, string>> = {
  'cephadm.replace': 'cephadm deploys another one by itself', 'cephadm.container-kill': 'systemd starts the container again',
};

/** How each fault by cephadm and podman is done. */
export const cephadmFaultDrivers = Object.fromEntries(cephadmFaultNames.map((name) => [
  name, (context: FaultContext) => orchestrated(context, name, faultSpecs[name].scope === 'group' ? gatewayNames(context) : [context.target]),
])) as Record<CephadmFaultName, (context: FaultContext) => FaultDriver>;

/**
 * A fault that an administrator does by cephadm to one gateway, or to all of `targets`. The fault is confirmed by the hosts,
 * which lose their controllers, and by podman on the gateway's host, `ceph orch ps`, `ceph nvme-gw show` and the monitor's
 * audit log, which all have to agree at one moment.
 */
function orchestrated(context: FaultContext, name: CephadmFaultName, targets: readonly string[]): FaultDriver {
  const { cephadm } = context.lab;
  const { took, healed } = looksOf[name];
  if (cephadm === undefined) throw new Error('the lab has no cephadm');
  const befores = new Map<string, Before>();
  const lost: Promise<Confirmation>[] = [];
  const beforeOf = (target: string): Before => {
    const before = befores.get(target);
    if (before === undefined) throw new Error(`${target} was not looked at before the fault`);
    return before;
  };
  const looks = async (ok: (seen: Seen, before: Before) => boolean): Promise<Confirmation> => {
    const words: string[] = [];
    for (const target of targets) {
      const before = beforeOf(target);
      const seen = await askUntilSeen(context, async () => {
        const now = await look(cephadm, target, before.audit);
        return ok(now, before) ? { observer: 'podman, cephadm, monitor', evidence: inWords(target, now) } : null;
      }, lookAgainMs);
      if (seen === null) return null;
      words.push(seen.evidence);
    }
    return { observer: 'podman, cephadm, monitor', evidence: words.join('; ') };
  };
  return {
    inject: async () => {
      for (const target of targets) {
        await whenRunning({ ...context, target });
        befores.set(target, await lookBefore(cephadm, target));
        // It may be back before the command returns.
        lost.push(hostLost({ ...context, target }, ''));
      }
      for (const target of targets) cephadm.expectEnd(target);
      return obey(context, cephadm, cephadmOrders[name].inject, beforeOf(context.target));
    },
    confirm: async () => {
      const [seen, ...hosts] = await Promise.all([looks(took), ...lost]);
      if (seen === null || hosts.some((host) => host === null)) return null;
      return { observer: `${hosts[0]!.observer}, ${seen.observer}`, evidence: [...hosts.map((host) => host!.evidence), seen.evidence].join('; ') };
    },
    heal: async () => {
      const before = befores.get(context.target);
      // Nothing was done yet.
      if (before === undefined) return 'nothing to heal';
      const { heal } = cephadmOrders[name];
      const what = heal.length === 0 ? `nothing to heal: ${bringsBack[name] ?? 'it comes back by itself'}` : await obey(context, cephadm, heal, before);
      for (const target of targets) await cephadm.untilRuns(target);
      return `${what}; ${targets.map((target) => `${target} runs (pid ${gatewayOf({ ...context, target }).pid})`).join(', ')}`;
    },
    confirmHealed: async () => {
      const seen = await looks(healed);
      const back = await recovered(context, () => processRuns(context));
      return seen === null || back === null ? null : { observer: `${back.observer}, ${seen.observer}`, evidence: `${back.evidence}; ${seen.evidence}` };
    },
  };
}

/** Does these things, one after the other; resolves to them in words. */
async function obey(context: FaultContext, cephadm: CephadmNode, orders: readonly CephadmOrder[], { daemon, container }: Before): Promise<string> {
  const words: string[] = [];
  for (const order of orders) words.push(await obeyOne(context, cephadm, order, { service: cephadm.service, daemon, host: cephadm.hostOf(context.target), container }));
  return words.join('; ');
}

async function obeyOne(context: FaultContext, cephadm: CephadmNode, order: CephadmOrder, names: Record<'service' | 'daemon' | 'host' | 'container', string>): Promise<string> {
  if (typeof order === 'object' && 'killContainer' in order) {
    await cephadm.killContainer(context.target, names.container);
    return `podman kill --signal KILL ${names.container.slice(0, 12)}`;
  }
  if (typeof order === 'object') {
    const placed = gatewayNames(context).filter((name) => order.place === 'all' || name !== context.target);
    await cephadm.place(placed);
    return order.place === 'all' ? `ceph orch apply with ${placed.join(', ')} in the placement` : `ceph orch apply without ${context.target} in the placement`;
  }
  const command = orchWords(order, names);
  await cephadm.orch(command);
  return `ceph orch ${command}`;
}

function gatewayNames({ plan }: FaultContext): string[] {
  return plan.topology.gateways.map(({ name }) => name);
}

async function lookBefore(cephadm: CephadmNode, target: string): Promise<Before> {
  const { containers: [container], daemons: [daemon], known, audit } = await look(cephadm, target, new Set());
  const id = known.find(({ availability }) => availability !== 'DELETING')?.id;
  if (container === undefined || daemon === undefined || id === undefined) throw infraError('CEPHADM', `${target} has ${container === undefined ? 'no container' : daemon === undefined ? 'no daemon in `ceph orch ps`' : 'no gateway in the monitor’s map'}`);
  return { container, daemon: daemon.name, id, audit: new Set(audit) };
}

/** `earlier`: entries of the audit log that were there before. */
async function look(cephadm: CephadmNode, target: string, earlier: ReadonlySet<string>): Promise<Seen> {
  const [containers, daemons, known, audit] = await Promise.all([cephadm.containers(target), cephadm.daemons(), cephadm.gatewayIds(), cephadm.audit()]);
  return {
    containers, daemons: daemons.filter(({ host }) => host === target), known: known.filter(({ host }) => host === target),
    audit: audit.filter((line) => !earlier.has(line) && line.includes(`.${cephadm.hostOf(target)}.`)),
  };
}

/** Has the monitor's audit log such a command about this gateway? Its entries are JSON, as Ceph writes it. */
function saysCommand(audit: readonly string[], prefix: string, id: string): boolean {
  return audit.some((line) => line.includes(prefix) && line.includes(id));
}

function inWords(target: string, { containers, daemons, known, audit }: Seen): string {
  const commands = [...new Set(audit.flatMap((line) => /nvme-gw (?:create|delete)/.exec(line) ?? []))];
  return [
    `podman on ${target} runs ${containers.length === 0 ? 'no gateway' : containers.map((id) => id.slice(0, 12)).join(', ')}`,
    `ceph orch ps has ${daemons.length === 0 ? 'none there' : daemons.map(({ name, status }) => `${name} ${status}`).join(', ')}`,
    `the monitor has ${known.length === 0 ? 'none of it' : known.map(({ id, anaGroup, availability }) => `${id} ${availability} with ANA group ${anaGroup}`).join(', ')}`,
    `and its audit log ${commands.length === 0 ? 'no command about it' : commands.join(', ')}`,
  ].join(', ');
}
