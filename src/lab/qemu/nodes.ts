import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Accel } from './accel.js';
import type { LabImage } from './image/image.js';
import { addressOf, fabricNames, macOf, prefixLength, type FabricName } from './network.js';
import { PathproofError } from '../../util/errors.js';
import type { ProcessIdentity } from './processes.js';
import type { NodeProgress } from './progress.js';
import { portSocketPath } from './switch/index.js';
import { managementNetwork, type RoleFile } from './vm/role.js';
import type { LabKeys } from './vm/keys.js';
import { QemuVm } from './vm/vm.js';

/** What makes one node of the lab. */
export interface NodeSpec {
  name: string;
  memoryMb: number;
  cpus: number;
  /** Further names whose addresses this node has on every fabric (`mon`, `osd` on `ceph`). */
  alsoKnownAs?: readonly string[];
  /** Its observers must not be late: it goes before the others where it may. */
  observes?: boolean;
  modules?: readonly string[];
  files?: readonly RoleFile[];
}

export interface NodeContext {
  image: LabImage;
  accel: Accel;
  keys: LabKeys;
  /** Folder of sockets and scratch files; short. */
  dir: string;
  /** Folder of the files for snapshots; default: `dir`. */
  stateDir?: string;
  logDir: string;
  progress: NodeProgress;
  /** Each QEMU process that starts, also later ones. */
  onStarted?: (identity: ProcessIdentity) => void;
}

/** The virtual machines of these specifications, not yet started; each on every fabric and knowing every other's name. */
export function makeNodes(specs: readonly NodeSpec[], context: NodeContext): Map<string, QemuVm> {
  mkdirSync(context.logDir, { recursive: true });
  const hosts = specs.flatMap((s) => [s.name, ...(s.alsoKnownAs ?? [])]).flatMap((name) => fabricNames.map((fabric) => ({
    address: addressOf(fabric, name), name: fabric === 'a' ? `${name} ${name}-a` : `${name}-${fabric}`,
  })));
  return new Map(specs.map((spec) => [spec.name, new QemuVm({
    name: spec.name, memoryMb: spec.memoryMb, cpus: spec.cpus,
    ...(spec.observes === undefined ? {} : { observes: spec.observes }), accel: context.accel, image: context.image, keys: context.keys, dir: context.dir, logDir: context.logDir,
    ...(context.stateDir === undefined ? {} : { stateFile: join(context.stateDir, `${spec.name}.state.qcow2`) }),
    networks: fabricNames.map((fabric) => ({ name: fabric, mac: macOf(fabric, spec.name), socketPath: portSocketPath(context.dir, fabric, spec.name) })),
    role: {
      hostname: spec.name, hosts, keys: context.keys, modules: spec.modules ?? [], files: spec.files ?? [],
      networks: [
        managementNetwork(macOf('mgmt', spec.name)),
        ...fabricNames.map((fabric) => ({
          name: fabricCard(fabric), mac: macOf(fabric, spec.name),
          addresses: [spec.name, ...(spec.alsoKnownAs ?? [])].map((name) => `${addressOf(fabric, name)}/${prefixLength}`),
        })),
      ],
    },
    ...(context.onStarted === undefined ? {} : { onStarted: context.onStarted }),
    onStep: (step, seconds) => context.progress(spec.name, `${step} (${seconds.toFixed(1)} s)`),
  })]));
}

/** The name of a fabric's card in the guest. */
export function fabricCard(fabric: FabricName): string {
  return `fab-${fabric}`;
}

/** For a guest that was restored to answer by SSH, where two guests share a processor, milliseconds. */
const sshAgainMs = 30_000;

/** A kernel that panics while it boots under emulation is given this many further chances. */
const bootRetries = 2;

/** Boots all at once. The first that fails makes it fail; whoever started them takes the others down. */
export async function bootAll(nodes: Iterable<QemuVm>, progress: NodeProgress): Promise<void> {
  const boots = [...nodes].map((vm) => boot(vm, progress));
  // A second failure must not become an unhandled rejection.
  for (const each of boots) each.catch(() => undefined);
  await Promise.all(boots);
}

/**
 * Powers a node on and waits for its SSH. Emulated processors that patch code which another one runs can panic a
 * kernel at boot (an `int3` that nobody owns; seen with QEMU 7.2 on a busy machine): that is the emulator's fault
 * and nobody else's, so it is said and tried again.
 */
export async function boot(vm: QemuVm, progress: NodeProgress): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await vm.start();
    try {
      return await vm.untilSsh();
    } catch (error) {
      if (!(error instanceof PathproofError) || error.code !== 'VM_PANIC' || attempt === bootRetries) throw error;
      progress(vm.name, `${error.message}; powered on once more`);
      await vm.kill();
    }
  }
}

/** Snapshots of all nodes at one moment: every guest stands still while all are saved, then all go on. */
export async function saveAll(nodes: Iterable<QemuVm>, tag: string): Promise<void> {
  const all = [...nodes];
  await Promise.all(all.map((vm) => vm.pause()));
  try {
    await Promise.all(all.map((vm) => vm.saveSnapshot(tag)));
  } finally {
    await Promise.all(all.map((vm) => vm.resume()));
  }
}

/**
 * Brings all nodes back to their snapshots, each in a new process, and lets them go on together. To the guests no time
 * has passed: their sessions with each other live on, and their clocks are behind by the age of the snapshot, all by the
 * same. A process that runs cannot load an earlier snapshot of itself without its guest's clock jumping: QEMU never lets
 * the time-stamp counter of a process go back (softmmu/cpu-timers.c, cpu_get_ticks_locked), and peers look dead then.
 */
export async function restoreAll(nodes: Iterable<QemuVm>, tag: string): Promise<void> {
  const all = [...nodes];
  await Promise.all(all.map((vm) => vm.kill()));
  await Promise.all(all.map((vm) => vm.start({ loadSnapshot: tag })));
  await Promise.all(all.map((vm) => vm.resume()));
  await Promise.all(all.map((vm) => vm.untilSshAgain(sshAgainMs * Math.max(1, all.length / (2 * availableParallelism())))));
}
