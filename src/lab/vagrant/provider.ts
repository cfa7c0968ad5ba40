import { createHash } from 'node:crypto';
import { freemem } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabPlatform, Plan, VirtualMachines } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { LabOptions, LabProvider, PrepareOptions } from '../provider.js';
import { aborted, designKeyFile, guestSlowness, keptLab, timed, untilServing } from '../provider-steps.js';
import { decideKvm, type Accel } from '../qemu/accel.js';
import { designOf, memoryNeededMb, type LabDesign } from '../qemu/design.js';
import type { ClusterAccess } from '../qemu/lab/cluster.js';
import { collectNodeLogs } from '../qemu/lab/node-logs.js';
import { QemuLab, type ReadyMachines } from '../qemu/lab/qemu-lab.js';
import { GuestPrograms, type ProgramControl } from '../qemu/programs.js';
import { monsOf } from '../qemu/provision/ceph.js';
import type { Lab } from '../types.js';
import { GuestLinks, warmUp } from './guest-links.js';
import { LibvirtRoom } from './room.js';
import { progressOf } from './up-progress.js';
import type { VagrantMachine } from './vagrant-machine.js';
import { clusterAccess, VagrantMachines } from './vagrant-machines.js';

export interface VagrantProviderOptions {
  /** Leave the machines up at the end. */
  keep?: boolean;
  /** Make machines anew even if some are up. */
  cold?: boolean;
}

/** Everything runs: gateways serve, the host is connected. */
const readyTag = 'ready';
const planFile = 'plan.json';
const monPort = 3_300;
/** Of what is waited for once provisioning has ended; a busy machine without KVM takes minutes. */
const programMaxMs = 10 * 60_000;
const pollMs = 500;
const gatewayUnit = 'pathproof-gateway.service';
const versionsOf = ['ceph-mon', 'linux-image-cloud-amd64', 'nvme-cli', 'fio', 'nodejs'] as const;

interface Running { key: string; design: LabDesign; room: LibvirtRoom; machines: VagrantMachines; programs: ProgramControl; access: ClusterAccess; packages: Record<string, string>; fresh: boolean; keep: boolean }

/**
 * Machines that `vagrant up` makes, in a room of libvirt (room.ts). The first plan brings them up, provisioned for it; a snapshot
 * of all is taken, and every further run begins there. Needs root, since the room is made of namespaces.
 *
 * ```
 *   room ─▶ vagrant up (boots, provisions) ─▶ gateways are the harness's ─▶ snapshot ─▶ run, rewind, run, …
 * ```
 */
export class VagrantProvider implements LabProvider {
  readonly #o: VagrantProviderOptions;
  #running: Running | undefined;

  constructor(options: VagrantProviderOptions = {}) {
    this.#o = options;
  }

  async prepare(plan: Plan, options: PrepareOptions): Promise<LabPlatform> {
    const { machines } = plan.platform;
    if (machines === undefined) throw new Error('a plan for the Vagrant lab names its machines');
    if (machines.auth !== 'cephx') throw infraError('LAB_AUTH', 'the Vagrant lab has a cluster with cephx only', { hint: 'the qemu lab has --auth none' });
    const accel = await accelOf();
    const programs = await GuestPrograms.bundle();
    const design = designOf(plan, { recipe: 'vagrant' }, accel);
    const key = createHash('sha256').update(JSON.stringify([design.key, machines, programs.sha256])).digest('hex').slice(0, 16);
    if (this.#running?.key !== key) {
      await this.close();
      this.#running = await this.#bringUp({ plan, design, key, accel, programs }, options);
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
    running.machines.letGo();
    if (running.keep) running.room.keep();
    else await running.room.close().catch(() => undefined);
  }

  #readyMachines(): ReadyMachines {
    const running = this.#running;
    if (running === undefined) throw infraError('LAB_UP', 'the machines were not made ready');
    const { design, machines, programs, access, packages } = running;
    return {
      design, machines, programs, access, packages, links: (shape) => new GuestLinks((name) => machines.node(name), shape),
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

  async #bringUp(wanted: { plan: Plan; design: LabDesign; key: string; accel: Accel; programs: GuestPrograms }, { progress, signal, logDir }: PrepareOptions): Promise<Running> {
    const { plan, design, key, accel, programs } = wanted;
    const control: ProgramControl = {
      // These machines have disks: what provisioning has installed is there after each boot.
      install: () => Promise.resolve(),
      start: (...args) => programs.start(...args),
      exitOf: (...args) => programs.exitOf(...args),
    };
    const kept = this.#o.cold === true ? undefined : keptLab('vagrant', key);
    if (kept === undefined) {
      checkMemory(design);
      await timed(progress, 'box', () => VagrantMachines.buildBox(plan.platform.machines!.debianSuite, progressOf(progress)));
    }
    const room = kept === undefined ? await timed(progress, 'libvirt', () => LibvirtRoom.open({ kvm: accel === 'kvm' })) : LibvirtRoom.adopt(kept);
    let machines: VagrantMachines | undefined;
    try {
      const planPath = join(room.dir, planFile);
      const env = upEnvironment(planPath, accel, plan.platform.machines!);
      const work = (async (): Promise<Running> => {
        if (kept === undefined) {
          writeFileSync(join(room.dir, designKeyFile), key);
          writeFileSync(planPath, JSON.stringify(plan));
          await timed(progress, 'vagrant up', () => VagrantMachines.up(room, env, progressOf(progress)));
        } else {
          progress('', `using the lab that is up (${room.dir})`);
        }
        machines = await timed(progress, 'logged in', () => VagrantMachines.attach(room, env, design.hosts.map(({ name }) => name)));
        if (kept === undefined) {
          await timed(progress, 'all paths connected', () => makeReady(machines!, design));
          await timed(progress, 'snapshot of the whole lab', () => machines!.save(readyTag));
        } else {
          await timed(progress, 'rewound', () => machines!.restore(readyTag));
        }
        const access = await clusterAccess(machines.node('ceph'), monsOf(design.ceph).map(({ address }) => `${address}:${monPort}`));
        const packages = await installedVersions(machines.node(design.hosts[0]!.name));
        return { key, design, room, machines, programs: control, access, packages, fresh: true, keep: kept !== undefined || this.#o.keep === true };
      })();
      work.catch(() => undefined);
      return await Promise.race([work, aborted(signal)]);
    } catch (error) {
      if (machines !== undefined) await collectNodeLogs(machines.nodes.values(), logDir);
      machines?.letGo();
      // A lab that somebody has left up stays up, whatever is wrong with it.
      if (kept === undefined) await room.close();
      else room.keep();
      throw error;
    }
  }

  async #emulationFactor(): Promise<number> {
    const { machines, design } = this.#running!;
    const { name } = design.hosts[0]!;
    const member = await attach(machines.node(name), machines.dir);
    try {
      return await guestSlowness(member);
    } finally {
      member.close();
    }
  }
}

/** LAB_ACCEL as with `vagrant up`; else KVM if a guest has run with it. */
async function accelOf(): Promise<Accel> {
  const { LAB_ACCEL } = process.env;
  if (LAB_ACCEL === 'kvm' || LAB_ACCEL === 'tcg') return LAB_ACCEL;
  return (await decideKvm()).kvm === 'unusable' ? 'tcg' : 'kvm';
}

/** The settings of vagrant/lab.yaml that a plan decides. */
function upEnvironment(planPath: string, accel: Accel, machines: VirtualMachines): Record<string, string> {
  return { LAB_PLAN: planPath, LAB_ACCEL: accel, LAB_DEBIAN_SUITE: machines.debianSuite, LAB_CEPH_RELEASE: String(machines.cephMajor ?? 0) };
}

/**
 * From what provisioning leaves to what runs begin with: gateways that have ended are started again by the harness alone, their
 * code is compiled, all paths are live, and what the kernels have said so far does not count.
 */
async function makeReady(machines: VagrantMachines, design: LabDesign): Promise<void> {
  await Promise.all([...design.gateways, ...design.hosts].map(({ name }) => warmUp(machines.node(name), programMaxMs)));
  await Promise.all(design.gateways.map(async ({ name }) => {
    const machine = machines.node(name);
    await machine.ssh.exec(`systemctl disable --quiet ${gatewayUnit} && mkdir -p /etc/systemd/system/${gatewayUnit}.d && printf '[Service]\\nRestart=no\\n' >/etc/systemd/system/${gatewayUnit}.d/harness.conf && systemctl daemon-reload`, { timeoutMs: programMaxMs });
    const member = await attach(machine, machines.dir);
    try {
      await untilServing(member, programMaxMs);
      await member.request('keepCompiled', {}, programMaxMs);
    } finally {
      member.close();
    }
  }));
  for (const { name } of design.hosts) await untilConnected(machines.node(name), machines.dir, design);
}

async function untilConnected(machine: VagrantMachine, dir: string, design: LabDesign): Promise<void> {
  const host = design.hosts.find(({ name }) => name === machine.name)!;
  const wanted = (host.config['controllers'] as unknown[]).length;
  const member = await attach(machine, dir);
  try {
    await member.request('connect', { namespaces: design.namespaces }, programMaxMs);
  } finally {
    member.close();
  }
  const deadline = Date.now() + programMaxMs;
  for (;;) {
    const { stdout } = await machine.ssh.exec('cat /sys/class/nvme/*/state', { okCodes: 'any' });
    if (stdout.split('\n').filter((state) => state === 'live').length === wanted) break;
    if (Date.now() >= deadline) throw infraError('HOST_PATHS', `${machine.name} has not all of its ${wanted} paths within ${programMaxMs / 1_000} s`, { details: stdout.trim().split('\n') });
    await sleep(pollMs);
  }
  await machine.ssh.exec('dmesg --clear');
}

function attach(machine: VagrantMachine, dir: string): Promise<AttachedMember> {
  return AttachedMember.attach({ name: machine.name, ssh: machine.ssh, dir, onEvent: () => undefined, timeoutMs: programMaxMs });
}

async function installedVersions(machine: VagrantMachine): Promise<Record<string, string>> {
  const { stdout } = await machine.ssh.exec(`dpkg-query -W -f '\${Package} \${Version}\\n' ${versionsOf.join(' ')}`, { okCodes: 'any' });
  return Object.fromEntries(stdout.trim().split('\n').map((line) => line.split(' ') as [string, string]).filter((pair) => pair.length === 2));
}

function checkMemory(design: LabDesign): void {
  const freeMb = Math.floor(freemem() / 1_048_576);
  if (freeMb >= memoryNeededMb(design)) return;
  throw infraError('NO_MEMORY', `${design.nodes.length} machines need ${memoryNeededMb(design)} MB, ${freeMb} MB are free`, { hint: 'fewer gateways (--gateways) and hosts (--hosts) need less' });
}
