import { writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Plan, LabPlatform } from '../../plan/types.js';
import { infraError } from '../../util/errors.js';
import { AttachedMember } from '../guest/attached-member.js';
import { memberFiles } from '../guest/supervisor.js';
import type { LabOptions, LabProvider, PrepareOptions, ProviderProgress } from '../provider.js';
import { aborted, designKeyFile, guestSlowness, keptLab, timed, untilServing } from '../provider-steps.js';
import { LabRegistration, type Leftover } from '../registry.js';
import type { Lab } from '../types.js';
import { decideKvm, type Accel } from './accel.js';
import { designOf, memoryNeededMb, type LabDesign } from './design.js';
import { ensureImage, type LabImage } from './image/image.js';
import { defaultRecipe } from './image/recipe.js';
import type { ClusterAccess } from './lab/cluster.js';
import { SwitchLinks } from './lab/links.js';
import { collectNodeLogs } from './lab/node-logs.js';
import { QemuLab, type ReadyMachines } from './lab/qemu-lab.js';
import { Machines } from './machines.js';
import { GuestPrograms } from './programs.js';
import { gatewayEntity, provisionCeph } from './provision/ceph.js';
import { Steps } from './provision/steps.js';
import { SnapshotStore, type SnapshotManifest } from './snapshots.js';

export interface QemuProviderOptions {
  /** Leave the machines up at the end. */
  keep?: boolean;
  /** Start from nothing even if there is a snapshot. */
  cold?: boolean;
}

/** The cluster runs, gateways and host do nothing yet. */
const baseTag = 'base';
/** Everything runs: gateways serve, the host is connected. */
const readyTag = 'ready';
const programStartMaxMs = 120_000;
const connectMaxMs = 120_000;
/** How often a gateway that ends itself while the lab comes up is started, at most. */
const serveAttempts = 4;

/** A program that was started in a guest, and how to start it again. */
interface StartedProgram { name: string; entry: 'gateway' | 'host'; steps: Steps; member: AttachedMember; log: () => Promise<string[]>; start: () => Promise<AttachedMember> }

interface Running { design: LabDesign; machines: Machines; store: SnapshotStore; access: ClusterAccess; programs: GuestPrograms; registration: LabRegistration; fresh: boolean; keep: boolean }

/**
 * Virtual machines for the runs of one command. The first plan brings them up: from a snapshot of an earlier
 * command (seconds), or from nothing (a minute or two), which leaves a snapshot. Every run then begins at the
 * snapshot, so that no run sees what an earlier one has done.
 *
 * ```
 *   boot ─▶ Ceph ─▶ snapshot `base` ─▶ gateways, host ─▶ snapshot `ready` ─▶ run, rewind, run, …
 * ```
 */
export class QemuProvider implements LabProvider {
  readonly #o: QemuProviderOptions;
  #running: Running | undefined;
  #image: LabImage | undefined;

  constructor(options: QemuProviderOptions = {}) {
    this.#o = options;
  }

  async prepare(plan: Plan, options: PrepareOptions): Promise<LabPlatform> {
    const { progress } = options;
    const { machines: wanted } = plan.platform;
    if (wanted === undefined) throw new Error('a plan for the qemu lab names its machines');
    const image = this.#image ??= await ensureImage(defaultRecipe(wanted.debianSuite), { progress: (line) => progress('image', line) });
    checkCephMajor(image, wanted.cephMajor);
    const accel: Accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    const design = designOf(plan, image.manifest, accel);
    if (this.#running?.design.key !== design.key) {
      await this.close();
      this.#running = await this.#bringUp(design, image, accel, options);
    }
    return { ...plan.platform, accel, emulationFactor: accel === 'tcg' ? await this.#emulationFactor() : 1 };
  }

  create(plan: Plan, options: LabOptions): Lab {
    return new QemuLab({ plan, ...options, ready: () => this.#readyMachines() });
  }

  async close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    if (running.keep) {
      running.registration.keep();
      running.machines.release();
      return;
    }
    await running.machines.end().catch(() => undefined);
    running.store.release();
    running.registration.close();
  }

  #readyMachines(): ReadyMachines {
    const running = this.#running;
    if (running === undefined) throw infraError('LAB_UP', 'the machines were not made ready');
    const { design, machines, programs, access } = running;
    return {
      design, machines, programs, access, links: (shape) => new SwitchLinks(machines.switch, shape), packages: this.#image?.manifest.packages ?? {},
      rewind: async () => {
        if (running.fresh) {
          running.fresh = false;
          return 'the machines have just come up';
        }
        const fromMs = performance.now();
        await machines.restore(readyTag);
        return `the machines were rewound to their snapshot in ${((performance.now() - fromMs) / 1_000).toFixed(1)} s`;
      },
    };
  }

  async #bringUp(design: LabDesign, image: LabImage, accel: Accel, { progress, signal, logDir }: PrepareOptions): Promise<Running> {
    const kept = keptLab('qemu', design.key);
    if (kept !== undefined && this.#o.cold !== true) return adopt(kept, design, image, accel, progress);
    checkMemory(design);
    const store = SnapshotStore.take(design.key);
    let machines: Machines | undefined;
    let registration: LabRegistration | undefined;
    try {
      const programs = await GuestPrograms.bundle();
      if (this.#o.cold === true) store.discard();
      const manifest = store.manifest();
      const dir = Machines.makeDir();
      writeFileSync(join(dir, designKeyFile), design.key);
      const record = registration = new LabRegistration('qemu', dir, [dir]);
      machines = await Machines.create({ design, image, accel, stateDir: store.dir, progress, onStarted: ({ name, pid }) => record.add(name, pid) }, dir);
      const work = this.#reach({ design, machines, store, programs, manifest, progress });
      work.catch(() => undefined);
      const access = await Promise.race([work, aborted(signal)]);
      store.hold(machines.processes());
      return { design, machines, store, access, programs, registration, fresh: true, keep: this.#o.keep === true };
    } catch (error) {
      if (machines !== undefined) await collectNodeLogs(machines.nodes.values(), logDir);
      await machines?.end().catch(() => undefined);
      store.release();
      registration?.close();
      throw error;
    }
  }

  /** From whatever snapshot there is to the state in which everything runs, saving what was missing. */
  async #reach(o: { design: LabDesign; machines: Machines; store: SnapshotStore; programs: GuestPrograms; manifest: SnapshotManifest | undefined; progress: ProviderProgress }): Promise<ClusterAccess> {
    const { design, machines, store, programs, manifest, progress } = o;
    const known = manifest?.cluster;
    if (known !== undefined && manifest!.tags[readyTag]?.programs === programs.sha256) {
      introduce(design, known);
      await timed(progress, 'restored', () => machines.restore(readyTag));
      return accessOf(known);
    }
    let cluster: SnapshotManifest['cluster'];
    const tags: SnapshotManifest['tags'] = {};
    if (known !== undefined && manifest!.tags[baseTag] !== undefined) {
      // It holds programs of another version.
      await machines.forget(readyTag);
      await timed(progress, 'restored, with Ceph only', () => machines.restore(baseTag));
      cluster = known;
      tags[baseTag] = manifest!.tags[baseTag];
    } else {
      store.discard();
      await machines.boot();
      const made = await provisionCeph(machines.node('ceph').ssh, design.ceph, progress);
      made.shell.close();
      cluster = { fsid: made.fsid, auth: made.auth, monHosts: [...made.monHosts], entities: [...made.entities.values()].map((e) => ({ ...e, caps: { ...e.caps } })) };
      await timed(progress, 'snapshot of Ceph', () => machines.save(baseTag));
      tags[baseTag] = { programs: '', savedAt: new Date().toISOString(), seconds: 0 };
      store.writeManifest({ savedAt: new Date().toISOString(), cluster, tags });
    }
    introduce(design, cluster);
    await this.#startPrograms(design, machines, programs, progress);
    await timed(progress, 'snapshot of the whole lab', () => machines.save(readyTag));
    tags[readyTag] = { programs: programs.sha256, savedAt: new Date().toISOString(), seconds: 0 };
    store.writeManifest({ savedAt: new Date().toISOString(), cluster, tags });
    return accessOf(cluster);
  }

  async #startPrograms(design: LabDesign, machines: Machines, programs: GuestPrograms, progress: ProviderProgress): Promise<void> {
    const connected = { namespaces: design.namespaces };
    const nodes = [...design.gateways.map((node) => ({ ...node, entry: 'gateway' as const })), ...design.hosts.map((node) => ({ ...node, entry: 'host' as const }))];
    const started = nodes.map(async ({ name, config, entry }): Promise<StartedProgram> => {
      const { ssh } = machines.node(name);
      const steps = new Steps(name, progress);
      const log = async (): Promise<string[]> => (await ssh.exec(`tail -n 15 ${memberFiles(name).log}`, { okCodes: 'any' })).stdout.trimEnd().split('\n');
      const start = async (): Promise<AttachedMember> => {
        await programs.start(ssh, entry, name);
        return AttachedMember.attach({ name, ssh, dir: machines.dir, onEvent: () => undefined, timeoutMs: programStartMaxMs });
      };
      const member = await steps.run(`${entry} program`, async () => {
        await programs.install(ssh, entry, name, config);
        return start();
      }, log);
      const program = { name, entry, steps, member, log, start };
      if (entry === 'gateway') await serve(program, progress);
      return program;
    });
    for (const each of started) each.catch(() => undefined);
    const running = await Promise.all(started);
    const gateways = running.filter(({ entry }) => entry === 'gateway');
    // Before that there is nothing to connect to.
    await Promise.all(running.filter(({ entry }) => entry === 'host').map(({ steps, member, log }) => steps.run('all paths connected', () => member.request('connect', connected, connectMaxMs), log)));
    // Now that nothing else starts: whoever was not counted in any more meanwhile is back before anything is saved.
    await Promise.all(gateways.map((gateway) => serve(gateway, progress)));
    // All that a gateway does at its start was done once, and so was compiled; the next one starts sooner.
    await Promise.all(gateways.map(({ steps, member, log }) => steps.run('compiled code', () => member.request('keepCompiled'), log)));
    for (const { member } of running) member.close();
  }

  /** How much slower a guest's processor is than ours, both measured now. */
  async #emulationFactor(): Promise<number> {
    const { machines, design } = this.#running!;
    const { name } = design.hosts[0]!;
    const member = await AttachedMember.attach({ name, ssh: machines.node(name).ssh, dir: machines.dir, onEvent: () => undefined, timeoutMs: programStartMaxMs });
    try {
      return await guestSlowness(member);
    } finally {
      member.close();
    }
  }
}

/** Takes over a lab that is up; it stays up afterwards, too. */
async function adopt(kept: Leftover, design: LabDesign, image: LabImage, accel: Accel, progress: ProviderProgress): Promise<Running> {
  const store = SnapshotStore.take(design.key, kept.alive);
  const programs = await GuestPrograms.bundle();
  const manifest = store.manifest();
  if (manifest?.tags[readyTag]?.programs !== programs.sha256) {
    store.hold(kept.alive);
    throw infraError('LAB_OUTDATED', 'the lab that is up was made by another version of pathproof', { hint: '`pathproof lab down`, then run again' });
  }
  progress('', `using the lab that is up (${kept.record.runDir})`);
  introduce(design, manifest.cluster);
  const registration = LabRegistration.adopt(kept);
  const machines = await Machines.adopt({ design, image, accel, stateDir: store.dir, progress, onStarted: ({ name, pid }) => registration.add(name, pid) }, kept.record.runDir, kept.alive);
  await timed(progress, 'rewound', () => machines.restore(readyTag));
  store.hold(machines.processes());
  return { design, machines, store, access: accessOf(manifest.cluster), programs, registration, fresh: true, keep: true };
}

function checkMemory(design: LabDesign): void {
  const freeMb = Math.floor(freemem() / 1_048_576);
  if (freeMb >= memoryNeededMb(design)) return;
  throw infraError('NO_MEMORY', `${design.nodes.length} machines need ${memoryNeededMb(design)} MB, ${freeMb} MB are free`, { hint: 'fewer gateways (--gateways) and hosts (--hosts) need less' });
}

/** What a gateway has to be told of the cluster, which its design cannot know. */
function introduce(design: LabDesign, cluster: SnapshotManifest['cluster']): void {
  for (const gateway of design.gateways) {
    const entity = cluster.entities.find(({ name }) => name === gatewayEntity(gateway.name));
    const auth = cluster.auth === 'none' || entity === undefined ? { kind: 'none' } : { kind: 'cephx', entity: entity.name, secret: entity.secret };
    Object.assign(gateway.config, { monHosts: cluster.monHosts, auth, onFenced: 'end' });
  }
}

function accessOf(cluster: SnapshotManifest['cluster']): ClusterAccess {
  return { fsid: cluster.fsid, monHosts: cluster.monHosts, adminKey: cluster.auth === 'none' ? undefined : cluster.entities.find(({ name }) => name === 'client.admin')?.secret };
}

function checkCephMajor(image: LabImage, wanted: number | null): void {
  const version = image.manifest.packages['ceph-mon'];
  const major = Number(/^(?:\d+:)?(\d+)\./.exec(version ?? '')?.[1] ?? Number.NaN);
  if (wanted !== null && major !== wanted) {
    throw infraError('CEPH_MAJOR', `Debian ${image.manifest.suite} has Ceph ${version ?? 'not at all'}, not ${wanted}`, { hint: 'another --debian-suite has another release' });
  }
  if (!(major >= 19)) throw infraError('CEPH_MAJOR', `Ceph ${version ?? '(none)'} of Debian ${image.manifest.suite} has no NVMe-oF gateway monitor; 19 or newer is needed`, { hint: 'use --debian-suite forky' });
}

/**
 * Waits until the gateway serves. One that the machine does not let send its beacons in time, while other programs start, is
 * not counted in any more by the monitor and ends itself, as it should; it is started again, as its service manager would.
 */
async function serve(gateway: StartedProgram, progress: ProviderProgress): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (!gateway.member.running) gateway.member = await gateway.steps.run('started again', () => gateway.start(), gateway.log);
      return await gateway.steps.run('serving', () => untilServing(gateway.member, connectMaxMs), gateway.log);
    } catch (error) {
      if (gateway.member.running || attempt === serveAttempts) throw error;
      progress(gateway.name, 'it ended itself: the monitor had no beacon of it in time');
    }
  }
}
