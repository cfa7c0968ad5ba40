import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defaultMachines } from '../../plan/platform.js';
import type { LabPlatform, Plan } from '../../plan/types.js';
import { infraError } from '../../util/errors.js';
import { removeMachineParts } from '../machine-parts.js';
import type { LabOptions, LabProvider, PrepareOptions, ProviderProgress } from '../provider.js';
import { decideKvm, type Accel } from '../qemu/accel.js';
import { imagesOf } from '../qemu/design.js';
import { ensureImage, type LabImage } from '../qemu/image/image.js';
import { defaultRecipe } from '../qemu/image/recipe.js';
import { LabRegistration } from '../registry.js';
import type { Lab } from '../types.js';
import type { ClusterSpec } from './cluster-spec.js';
import { ensureNativeImages, type NativeImages } from './images.js';
import { labsDir } from './labs-dir.js';
import { NativeCluster } from './native-cluster.js';
import { NativeLab } from './native-lab.js';
import { NativeMachines } from './native-machines.js';
import { nativeRecipe } from './recipe.js';
import { ClusterSnapshot } from './snapshot.js';

export interface NativeProviderOptions {
  /** Make the cluster anew even if there is a snapshot. */
  cold?: boolean;
  /** The initiators are Linux kernels in virtual machines, from the image of the qemu lab. */
  linuxHosts?: boolean;
}

/** Room for the images' data twice, and for BlueStore's own. */
const osdMinMegabytes = 4_096;

/** The cluster that a plan's lab has; equal specs use the same snapshot. */
export function clusterSpecOf(plan: Plan): ClusterSpec {
  const { topology } = plan;
  const gateways = topology.gateways.map(({ name }) => name);
  const images = imagesOf(topology);
  return {
    pool: topology.pool, group: topology.group, gatewayHosts: gateways, images,
    osdMegabytes: Math.max(osdMinMegabytes, 1_024 + 2 * images.reduce((sum, { megabytes }) => sum + megabytes, 0)),
    // A gateway takes the monitor for silent after `disconnectPanicMs`; with Ceph's default an answer to a beacon may take 15 beacons.
    settings: { mon_nvmeofgw_beacons_till_ack: '3' },
  };
}

/**
 * Labs of native hosts: real cephadm, systemd, podman and Ceph in namespaces of this machine. The first plan with a
 * spec has cephadm make its cluster, which is stopped and kept; each run starts from a copy of that.
 */
export class NativeProvider implements LabProvider {
  readonly #o: NativeProviderOptions;
  #images: NativeImages | undefined;
  #linux: { image: LabImage; accel: Accel } | undefined;
  readonly #made = new Set<string>();

  constructor(options: NativeProviderOptions = {}) {
    this.#o = options;
  }

  async prepare(plan: Plan, { progress, signal, logDir }: PrepareOptions): Promise<LabPlatform> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) throw infraError('NOT_ROOT', 'the native lab makes namespaces, mounts and loop devices: it needs root on Linux', { hint: 'see `pathproof doctor --lab native`' });
    this.#images ??= await ensureNativeImages(nativeRecipe(), { progress: (line) => progress('images', line) });
    if (this.#o.linuxHosts === true && this.#linux === undefined) {
      const image = await ensureImage(defaultRecipe(defaultMachines.debianSuite), { progress: (line) => progress('image', line) });
      this.#linux = { image, accel: (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg' };
    }
    const { snapshot, spec, key } = this.#snapshotOf(plan);
    if (this.#o.cold === true && !this.#made.has(key)) snapshot.discard();
    if (snapshot.access() === undefined) await this.#make(plan, spec, snapshot, { progress, signal, logDir });
    this.#made.add(key);
    return this.#linux?.accel === 'kvm' ? { ...plan.platform, accel: 'kvm', emulationFactor: 1 } : plan.platform;
  }

  create(plan: Plan, options: LabOptions): Lab {
    const { snapshot, spec } = this.#snapshotOf(plan);
    return new NativeLab({ plan, images: this.#images!, spec, snapshot, ...(this.#linux === undefined ? {} : { linux: this.#linux }), ...options });
  }

  /** Each run has taken its own lab down; what stays is the cache. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #snapshotOf(plan: Plan): { snapshot: ClusterSnapshot; spec: ClusterSpec; key: string } {
    const spec = clusterSpecOf(plan);
    const key = NativeCluster.key(spec, this.#images!.manifest.recipe, plan.platform.fabrics);
    return { spec, key, snapshot: new ClusterSnapshot(key) };
  }

  async #make(plan: Plan, spec: ClusterSpec, snapshot: ClusterSnapshot, { progress, signal, logDir }: PrepareOptions): Promise<void> {
    const dir = mkdtempSync(join(labsDir(), 'make-'));
    const registration = new LabRegistration('native', dir, [dir]);
    const machines = new NativeMachines({ dir, images: this.#images!, registration, gatewayHosts: spec.gatewayHosts, initiators: [], fabrics: plan.platform.fabrics, osdMegabytes: spec.osdMegabytes, logDir });
    try {
      const work = (async () => {
        const say = stepTimes(progress);
        say('hosts boot');
        await machines.start();
        const cluster = new NativeCluster(machines, spec);
        await cluster.bootstrap(say);
        const access = await cluster.access();
        say('cluster is stopped and kept');
        await machines.stopHosts();
        await snapshot.save(dir, access);
        say('');
      })();
      work.catch(() => undefined);
      await Promise.race([work, aborted(signal)]);
    } catch (error) {
      await machines.collectLogs(logDir);
      throw error;
    } finally {
      await removeMachineParts(registration.parts);
      rmSync(dir, { recursive: true, force: true });
      registration.close();
    }
  }
}

/** Says each step when the next begins, with its seconds. */
function stepTimes(progress: ProviderProgress): (step: string) => void {
  let current = '';
  let sinceMs = performance.now();
  return (step) => {
    if (current !== '') progress('', `${current} (${((performance.now() - sinceMs) / 1_000).toFixed(1)} s)`);
    current = step;
    sinceMs = performance.now();
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void => reject(infraError('INTERRUPTED', 'interrupted while the cluster was made'));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}
