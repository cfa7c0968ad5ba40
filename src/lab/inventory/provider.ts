import { keyInKeyring } from '../../ceph/keyring-file.js';
import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import type { LabPlatform, Plan } from '../../plan/types.js';
import { cpuWorkUs } from '../../util/cpu-speed.js';
import { settlesWithin, sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { PlanNamedCluster } from '../cephadm/plan-named-cluster.js';
import { AttachedMember, type AttachOptions } from '../guest/attached-member.js';
import type { GuestEntry } from '../guest/bundle.js';
import { memberFiles } from '../guest/supervisor.js';
import type { LabOptions, LabProvider, PrepareOptions, ProviderProgress } from '../provider.js';
import { ClusterSession, type ClusterAccess } from '../qemu/lab/cluster.js';
import { GuestPrograms, programExitCommand } from '../qemu/programs.js';
import { aborted, untilServing } from '../provider-steps.js';
import { Steps } from '../qemu/provision/steps.js';
import type { Lab } from '../types.js';
import { exportSpecification, serviceOf } from './cephadm/commands.js';
import { checkSpecification, hostNamesOf } from './cephadm/orchestration.js';
import { Changes } from './changes.js';
import { checkInventory, gatewayAddresses } from './check.js';
import { createGateway, gatewayEntry, kernelChanges, keyringCommand, markScratch, removeGateway, removeHost } from './commands.js';
import { gatewayConfig, gatewayEntityOf, hostConfig } from './configs.js';
import { allows, hasExistingGateways, type Inventory } from './file.js';
import { HostConnections, hostNamedRoute } from './hosts.js';
import { collectLogs, InventoryLab, type PreparedHosts } from './inventory-lab.js';
import { UndoJournal } from './journal.js';
import { proveSameData } from './same-data.js';
import { healInventory, undoAll } from './undo.js';

const programStartMaxMs = 120_000;
const connectMaxMs = 120_000;
/** Between two looks whether a program has ended that was just started. */
const endLookMs = 1_000;

interface Prepared extends PreparedHosts { key: string; journal: UndoJournal; emulationFactor: number }

/**
 * Hosts that exist already. The first plan of a command prepares them (programs, gateways, connections), all runs of the
 * command use them, and at its end everything is undone, from the journal that a killed command leaves to `pathproof lab heal`.
 */
export class InventoryProvider implements LabProvider {
  readonly #inventory: Inventory;
  #prepared: Prepared | undefined;
  #progress: ProviderProgress = () => undefined;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  async prepare(plan: Plan, options: PrepareOptions): Promise<LabPlatform> {
    this.#progress = options.progress;
    const key = keyOf(plan);
    if (this.#prepared?.key !== key) {
      await this.close();
      this.#prepared = await this.#prepare(plan, key, options);
    }
    return { ...plan.platform, emulationFactor: this.#prepared.emulationFactor };
  }

  create(plan: Plan, options: LabOptions): Lab {
    return new InventoryLab({
      plan, ...options,
      prepared: () => {
        if (this.#prepared === undefined) throw infraError('LAB_UP', 'the hosts were not prepared');
        return this.#prepared;
      },
    });
  }

  async close(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared === undefined) return;
    await prepared.cluster.close().catch(() => undefined);
    await this.#undo(prepared.journal, prepared.connections);
    prepared.connections.close();
  }

  async #undo(journal: UndoJournal, connections: HostConnections): Promise<void> {
    const results = await undoAll(journal, connections, ({ entry: { host, what }, problem }) => this.#progress(host, problem === undefined ? `undone: ${what}` : `NOT UNDONE: ${what}: ${problem}`));
    if (results.some(({ problem }) => problem !== undefined)) this.#progress('', `repeat what is left: pathproof lab heal --inventory ${this.#inventory.file}`);
    journal.close();
  }

  async #prepare(plan: Plan, key: string, { progress, signal, logDir }: PrepareOptions): Promise<Prepared> {
    const inventory = this.#inventory;
    const commands: string[] = [];
    const connections = new HostConnections((host, command) => void commands.push(JSON.stringify({ host, command })));
    let journal: UndoJournal | undefined;
    let changes: Changes | undefined;
    let work: Promise<Prepared> | undefined;
    let cluster: PreparedHosts['cluster'] | undefined;
    try {
      await healLeftovers(inventory, connections, progress);
      journal = UndoJournal.begin(inventory);
      const making = changes = new Changes(inventory, journal, connections);
      work = (async (): Promise<Prepared> => {
        const found = await checkInventory(inventory, connections, { say: (text) => progress('', text) });
        if (!found.ready) {
          const problems = [...found.hosts.flatMap(({ host, problems: own }) => own.map((text) => `${host}: ${text}`)), ...found.namespaces.flatMap(({ image, problem }) => (problem === undefined ? [] : [`image ${image}: ${problem}`]))];
          throw infraError('INVENTORY_NOT_READY', `the hosts of ${inventory.name} are not ready: ${problems[0]!}`, { details: problems, hint: `pathproof inventory check ${inventory.file}` });
        }
        progress('', `${found.hosts.length} hosts and ${found.namespaces.length} images are ready`);
        const access = await clusterAccess(inventory, connections);
        const session = await ClusterSession.open(connections.to(inventory.cluster.admin, hostNamedRoute(inventory, inventory.cluster.admin)), connections.dir, access);
        const existing = !hasExistingGateways(inventory) ? undefined : { rawCluster: session, addresses: gatewayAddresses(inventory, found.hosts), specification: await specificationOf(inventory, connections), noted: { service: false } };
        cluster = existing === undefined ? session : new PlanNamedCluster(session, serviceOf(inventory), hostNamesOf(inventory));
        const secrets = existing === undefined ? await gatewaySecrets(inventory, plan, cluster, access) : new Map<string, string | undefined>();
        const programs = await GuestPrograms.bundle();
        const parts = { inventory, connections, changes: making, programs, access, cluster, secrets, found, takeCommands: () => commands.splice(0), key, journal, existing };
        if (existing === undefined) await createMissing(parts, plan, progress);
        else await checkGroups(cluster, plan);
        const mark = async (): Promise<void> => {
          for (const { image } of inventory.namespaces) await connections.run(inventory.cluster.admin, hostNamedRoute(inventory, inventory.cluster.admin), markScratch(inventory, image));
        };
        if (existing === undefined) await mark();
        await this.#startPrograms(parts, plan, progress, signal);
        if (existing !== undefined) {
          progress('', await proveSameData(inventory, plan, connections));
          await mark();
        }
        return { ...parts, emulationFactor: inventory.accel === 'tcg' ? await emulationFactor(parts, plan) : 1 };
      })();
      work.catch(() => undefined);
      return await Promise.race([work, aborted(signal)]);
    } catch (error) {
      // Interrupted, it still works: it comes to its end first.
      changes?.stop();
      if (work !== undefined) await settlesWithin(work.catch(() => undefined), programStartMaxMs);
      await cluster?.close().catch(() => undefined);
      if (journal !== undefined) {
        if (journal.open.length > 0) await collectLogs({ inventory, connections }, logDir);
        await this.#undo(journal, connections);
      }
      connections.close();
      throw error;
    }
  }

  async #startPrograms(parts: Omit<Prepared, 'emulationFactor'>, plan: Plan, progress: ProviderProgress, signal: AbortSignal): Promise<void> {
    const { inventory, access, secrets, changes, connections, programs } = parts;
    const { topology } = plan;
    const nodes = [
      ...(hasExistingGateways(inventory) ? [] : topology.gateways).map(({ name }) => ({ name, entry: gatewayEntry(inventory), config: gatewayConfig(inventory, plan, name, access, secrets.get(name)), undo: removeGateway(name) })),
      ...topology.hosts.map(({ name }) => ({ name, entry: 'host' as const, config: hostConfig(inventory, plan, name), undo: removeHost(name, topology.nqn) })),
    ];
    const started = nodes.map(async ({ name, entry, config, undo }) => {
      const ssh = connections.to(name, hostNamedRoute(inventory, name));
      const steps = new Steps(name, progress);
      const log = async (): Promise<string[]> => (await ssh.exec(`tail -n 15 ${memberFiles(name).log}`, { okCodes: 'any' })).stdout.trimEnd().split('\n');
      const member = await steps.run(`${entry} program`, async () => {
        for (const change of kernelChanges(entry)) await changes.make(name, change);
        signal.throwIfAborted();
        changes.note(name, `${entry} program and its folders`, undo);
        await programs.install(ssh, entry, name, config);
        await programs.start(ssh, entry, name);
        return attachStarted({ name, ssh, dir: connections.dir, onEvent: () => undefined, timeoutMs: programStartMaxMs }, entry);
      }, log);
      if (entry !== 'host') await steps.run('serving', () => untilServing(member, connectMaxMs), log);
      return { entry, steps, member, log };
    });
    for (const each of started) each.catch(() => undefined);
    const settled = await Promise.allSettled(started);
    const failed = settled.find((each) => each.status === 'rejected');
    const members = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    try {
      // All have come to their end first: nothing may be changed any more while it is undone.
      if (failed !== undefined) throw failed.reason;
      await Promise.all(members.filter(({ entry }) => entry === 'host').map(({ steps, member, log }) => steps.run('all paths connected', () => member.request('connect', { namespaces: topology.namespaces.map(({ uuid }) => uuid) }, connectMaxMs), log)));
    } finally {
      for (const { member } of members) member.close();
    }
  }
}

/** Attaches to a program that was just started; a gateway's supervisor says when it has ended already. */
async function attachStarted(options: AttachOptions, entry: GuestEntry): Promise<AttachedMember> {
  if (entry === 'host') return AttachedMember.attach(options);
  const attached = new AbortController();
  let ended = false;
  void (async () => {
    while (!ended && !attached.signal.aborted) {
      await sleep(endLookMs, attached.signal);
      const look = await options.ssh.exec(programExitCommand(options.name), { okCodes: 'any' }).catch(() => undefined);
      ended ||= /^\d+/.test(look?.stdout ?? '');
    }
  })();
  try {
    return await AttachedMember.attach({ ...options, hasEnded: () => ended });
  } finally {
    attached.abort();
  }
}

/** What programs on the hosts are told at their start: another plan that tells them the same can use them. */
function keyOf({ topology, shape }: Plan): string {
  return JSON.stringify([topology.nqn, topology.gateways, topology.namespaces.map(({ uuid, image, anaGroup }) => [uuid, image, anaGroup]), topology.hosts, shape.timers, shape.ioQueues, shape.headerDigest, shape.dataDigest, shape.onFenced]);
}

/** Undoes what a killed run has left; an infra error if that cannot be done. */
async function healLeftovers(inventory: Inventory, connections: HostConnections, progress: ProviderProgress): Promise<void> {
  const results = await healInventory(inventory.name, connections, ({ entry: { host, what }, problem }) => progress(host, problem === undefined ? `undone, left by a killed run: ${what}` : `NOT UNDONE, left by a killed run: ${what}: ${problem}`));
  const failed = results.filter(({ problem }) => problem !== undefined);
  if (failed.length > 0) throw infraError('INVENTORY_CHANGED', `${failed.length} change(s) of a killed run could not be undone`, { details: failed.map(({ entry, problem }) => `${entry.host}: ${entry.what}: ${problem}`), hint: `pathproof lab heal --inventory ${inventory.file}` });
}

async function clusterAccess(inventory: Inventory, connections: HostConnections): Promise<ClusterAccess> {
  const { admin, entity, keyring, fsid, mons } = inventory.cluster;
  if (keyring === null) return { fsid, monHosts: mons, adminKey: undefined };
  const { stdout } = await connections.run(admin, hostNamedRoute(inventory, admin), keyringCommand(inventory));
  const adminKey = keyInKeyring(stdout, entity);
  if (adminKey === undefined) throw infraError('KEYRING', `${keyring} on ${admin} has no key of ${entity}`);
  return { fsid, monHosts: mons, adminKey };
}

async function gatewaySecrets(inventory: Inventory, plan: Plan, cluster: PreparedHosts['cluster'], { adminKey }: ClusterAccess): Promise<Map<string, string | undefined>> {
  const secrets = new Map<string, string | undefined>();
  for (const { name } of plan.topology.gateways) {
    const entity = gatewayEntityOf(inventory, name);
    if (adminKey === undefined) secrets.set(name, undefined);
    else {
      const reply = await cluster.command({ prefix: 'auth get', entity, format: 'json' });
      const key = reply.code === 0 ? (JSON.parse(reply.output) as { key?: string }[])[0]?.key : undefined;
      if (key === undefined) throw infraError('GATEWAY_ENTITY', `the cluster has no entity ${entity} for ${name}`, { hint: `ceph auth get-or-create ${entity} mon 'profile rbd' osd 'profile rbd pool=${inventory.cluster.pool}'` });
      secrets.set(name, key);
    }
  }
  return secrets;
}

/** What cephadm has the service by; needed, and asked for, only where cephadm may be told something. */
async function specificationOf(inventory: Inventory, connections: HostConnections): Promise<string | undefined> {
  if (!allows(inventory, 'cephadm')) return undefined;
  const { admin } = inventory.cluster;
  return checkSpecification(inventory, (await connections.run(admin, hostNamedRoute(inventory, admin), exportSpecification(inventory), { timeoutMs: programStartMaxMs })).stdout);
}

/** Gateways that are there already have the ANA groups that the monitor has given them: gwN has to be the one with group N, and there may be no other. */
async function checkGroups(cluster: PreparedHosts['cluster'], plan: Plan): Promise<void> {
  const { pool, group, gateways } = plan.topology;
  const shown = parseNvmeGwShow(await cluster.must({ prefix: 'nvme-gw show', pool, group, format: 'json' })).gateways.filter(({ availability }) => availability !== 'DELETING');
  const problems = [
    ...gateways.flatMap(({ name, anaGroup }) => {
      const has = shown.find(({ id }) => id === name)?.anaGroup;
      return has === anaGroup ? [] : [has === undefined ? `the monitor has no gateway on the host of ${name}` : `the gateway on the host of ${name} has ANA group ${has}: in the inventory it is gw${has}`];
    }),
    ...shown.filter(({ id }) => !gateways.some(({ name }) => name === id)).map(({ id }) => `the group has another gateway, ${id}`),
  ];
  if (problems.length > 0) throw infraError('INVENTORY_GROUP', `the gateways of group ${group} are not those of the inventory: ${problems[0]!}`, { details: problems, hint: '`ceph nvme-gw show` shows them; gwN has ANA group N' });
}

async function createMissing({ inventory, cluster, changes }: Pick<Prepared, 'inventory' | 'cluster' | 'changes'>, plan: Plan, progress: ProviderProgress): Promise<void> {
  const { pool, group, gateways } = plan.topology;
  const reply = await cluster.command({ prefix: 'nvme-gw show', pool, group, format: 'json' });
  // A group that nobody has made yet is no error to us. A gateway that was deleted stays DELETING until another one's beacon, and gets no map.
  const known = reply.code === 0 && reply.output.trim() !== '' ? parseNvmeGwShow(reply.output).gateways.filter(({ availability }) => availability !== 'DELETING').map(({ id }) => id) : [];
  for (const { name } of gateways.filter((each) => !known.includes(each.name))) {
    await changes.make(inventory.cluster.admin, createGateway(inventory, name));
    progress(inventory.cluster.admin, `gateway ${name} made known to the monitor`);
  }
}

/** How much slower a host's processor is than ours, both measured now. */
async function emulationFactor({ inventory, connections }: Pick<Prepared, 'inventory' | 'connections'>, plan: Plan): Promise<number> {
  const { name } = plan.topology.hosts[0]!;
  const nativeUs = cpuWorkUs();
  const member = await AttachedMember.attach({ name, ssh: connections.to(name, hostNamedRoute(inventory, name)), dir: connections.dir, onEvent: () => undefined, timeoutMs: programStartMaxMs });
  try {
    const { us } = await member.request<{ us: number }>('cpuWork');
    return Math.max(1, Math.round((us / nativeUs) * 10) / 10);
  } finally {
    member.close();
  }
}
