import { randomUUID } from 'node:crypto';
import { addressOf, fabricNames, macOf, prefixLength } from '../src/lab/qemu/network.js';
import { fabricCard } from '../src/lab/qemu/nodes.js';
import { designOf, type LabDesign } from '../src/lab/qemu/design.js';
import { defaultRecipe } from '../src/lab/qemu/image/recipe.js';
import { gatewayEntity, makeEntities, monsOf, type CephSpec } from '../src/lab/qemu/provision/ceph.js';
import { nominalPlatform } from '../src/plan/platform.js';
import { planScenario } from '../src/plan/planner.js';
import { productionTimers } from '../src/plan/timers.js';
import type { Plan } from '../src/plan/types.js';
import { readPlanFile } from '../src/results/store.js';
import { usageError } from '../src/util/errors.js';
import type { ClusterIdentity, NodeDescription } from './provision/node.js';
import type { LabSettings } from './settings.js';

/** Any scenario: only the shape of its lab counts. */
const anyScenario = { name: 'lab', title: 'A lab that is only up', description: 'nothing.', steps: [{ do: 'run' as const, forMs: 0 }] };
/** BlueStore keeps its database in the same file, MB; the file takes what is written. */
const bluestoreMinMb = 4_096;
/** These machines have disks; what BlueStore does for each write is too much for emulated processors that everyone else waits for. */
const autoStore = { kvm: 'bluestore', tcg: 'memstore' } as const;
const monPort = 3_300;

/** The lab of these settings as a plan has it. */
export function planFor(settings: LabSettings): Plan {
  return settings.plan === '' ? shapedPlan(settings) : storedPlan(settings.plan);
}

/** The lab of these settings, with the same addresses, names and identities as the qemu lab of the same shape. */
export function designFor(settings: LabSettings): LabDesign {
  const design = designOf(planFor(settings), { recipe: 'vagrant' }, settings.accel);
  const objectStore = settings.osd_store === 'auto' ? autoStore[settings.accel] : settings.osd_store;
  return { ...design, ceph: { ...design.ceph, objectStore, storeMb: objectStore === 'bluestore' ? Math.max(bluestoreMinMb, design.ceph.storeMb) : design.ceph.storeMb } };
}

/** Nobody waits for a scenario here: gateways and hosts have the timers that Ceph and Linux have by themselves. */
function shapedPlan(settings: LabSettings): Plan {
  const machines = { debianSuite: settings.debian_suite, cephMajor: settings.ceph_release === 0 ? null : settings.ceph_release };
  const plan = planScenario('lab', anyScenario, {
    seed: '1', lab: 'vagrant', gateways: settings.gateways, hosts: settings.hosts, namespaces: settings.namespaces, anaGroups: settings.ana_groups,
    platform: { ...nominalPlatform('vagrant', machines), accel: settings.accel, fabrics: settings.fabrics },
  });
  return { ...plan, shape: { ...plan.shape, timers: productionTimers } };
}

/** Provisioning makes secrets for everyone: a cluster that authenticates nobody is the qemu lab's. */
function storedPlan(file: string): Plan {
  const plan = readPlanFile(file);
  if (plan.platform.machines?.auth !== 'cephx') throw usageError('LAB_PLAN', `${file} is not for a lab of machines with cephx`, 'Plans of the qemu and the Vagrant lab are.');
  return plan;
}

/** The identity of the cluster with a secret for everyone who uses it; who had one keeps it. */
export function completeCluster(known: ClusterIdentity | undefined, spec: CephSpec): ClusterIdentity {
  const fresh = ([1, 2] as const).map((type) => new Map(makeEntities(spec, type).map(({ name, secret }) => [name, secret])));
  const secrets = Object.fromEntries([...fresh[0]!].map(([name, secret]) => [name, known?.secrets[name] ?? { 1: secret, 2: fresh[1]!.get(name)! }]));
  return { fsid: known?.fsid ?? randomUUID(), osdUuid: known?.osdUuid ?? randomUUID(), secrets };
}

/** What every machine is told, whatever the flavour. */
export function commonPart(settings: LabSettings, nodes: readonly { name: string; alsoKnownAs?: readonly string[] }[], name: string): Pick<NodeDescription, 'name' | 'cards' | 'hosts' | 'repository'> {
  const fabrics = fabricNames.slice(0, settings.fabrics);
  const { alsoKnownAs = [] } = nodes.find((node) => node.name === name)!;
  const hosts = nodes.flatMap((node) => [node.name, ...(node.alsoKnownAs ?? [])]).flatMap((each) => fabrics.map((fabric) => (
    `${addressOf(fabric, each)} ${fabric === 'a' ? `${each} ${each}-a` : `${each}-${fabric}`}`
  )));
  return {
    name, hosts, repository: settings.ceph_repository,
    cards: fabrics.map((fabric) => ({ name: fabricCard(fabric), mac: macOf(fabric, name), addresses: [name, ...alsoKnownAs].map((each) => `${addressOf(fabric, each)}/${prefixLength}`) })),
  };
}

/** What each machine of the flavour debian is told. */
export function describeNodes(settings: LabSettings, design: LabDesign, cluster: ClusterIdentity): NodeDescription[] {
  const monHosts = monsOf(design.ceph).map(({ address }) => `${address}:${monPort}`);
  return design.nodes.map((node): NodeDescription => {
    const common = {
      ...commonPart(settings, design.nodes, node.name), modules: [...(node.modules ?? [])], packages: [...defaultRecipe(settings.debian_suite).packages], cephMajor: settings.ceph_release,
      ...(settings.accel === 'tcg' ? { quietDevices: true } : {}),
    };
    const gateway = design.gateways.find(({ name }) => name === node.name);
    if (gateway !== undefined) {
      const entity = gatewayEntity(gateway.name);
      return {
        ...common, cluster: { ...cluster, secrets: { [entity]: cluster.secrets[entity]! } },
        program: { entry: 'gateway', config: { ...gateway.config, monHosts, onFenced: 'end' } },
      };
    }
    const host = design.hosts.find(({ name }) => name === node.name);
    if (host !== undefined) return { ...common, program: { entry: 'host', config: host.config }, namespaces: design.namespaces };
    return { ...common, cluster, ceph: design.ceph };
  });
}
