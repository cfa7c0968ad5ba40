import { createHash } from 'node:crypto';
import { serialOf } from '../../gateway/userspace-gateway.js';
import type { Plan } from '../../plan/types.js';
import type { Accel } from './accel.js';
import { addressOf, fabricNames } from './network.js';
import type { NodeSpec } from './nodes.js';
import type { CephSpec } from './provision/ceph.js';
import { gatewayModules, gatewayPort } from './provision/gateway.js';
import { hostModules } from './provision/host.js';

/** Memory of each kind of node, MB. The OSD keeps the images in its own. */
export const nodeMemoryMb = { ceph: 1_536, gateway: 640, host: 1_024 } as const;
/** A monitor more on the `ceph` node, MB. */
const furtherMonMb = 256;
/** What the harness, QEMU itself and the page cache want besides the guests' memory, MB. */
const overheadMb = 1_024;

/** Everything that makes the virtual machines of one plan's lab; equal designs can use the same snapshot. */
export interface LabDesign {
  nodes: NodeSpec[];
  ceph: CephSpec;
  gateways: { name: string; config: Record<string, unknown> }[];
  hosts: { name: string; config: Record<string, unknown> }[];
  /** UUIDs of the namespaces that a host must see. */
  namespaces: string[];
  /** Stands for the design, the image and the accelerator: the name of its snapshots. */
  key: string;
}

/** Version of the way in which machines are set up; a change makes old snapshots worthless. */
const setupVersion = 2;
/** Of the host while it is set up; each run sets its own, for which the same machines do. */
export const setupPolicy = 'numa';

/** Resolves a plan to its machines: pure, so that two plans with the same lab have the same key. */
export function designOf(plan: Plan, image: { recipe: string }, accel: Accel): LabDesign {
  const { topology, shape, platform } = plan;
  const { machines } = platform;
  if (machines === undefined) throw new Error(`the plan's lab ${plan.lab} has no virtual machines`);
  const gatewayNames = topology.gateways.map((g) => g.name);
  const fabrics = fabricNames.slice(0, platform.fabrics);
  // One processor is enough for most, and cannot panic by patching code that another one runs (nodes.ts, boot).
  const cpus = accel === 'tcg' ? 1 : 2;
  const nodes: NodeSpec[] = [
    { name: 'ceph', memoryMb: nodeMemoryMb.ceph + (machines.mons - 1) * furtherMonMb, cpus, alsoKnownAs: ['mon', ...Array.from({ length: machines.mons - 1 }, (_, i) => `mon${i + 2}`), 'osd'], modules: [] },
    ...gatewayNames.map((name) => ({ name, memoryMb: nodeMemoryMb.gateway, cpus: 1, modules: gatewayModules })),
    ...topology.hosts.map(({ name }) => hostNode(name)),
  ];
  const images = imagesOf(topology);
  const ceph: CephSpec = {
    auth: machines.auth, mons: machines.mons, objectStore: 'memstore', storeMb: 256 + 2 * images.reduce((sum, i) => sum + i.megabytes, 0),
    pool: topology.pool, group: topology.group, gateways: gatewayNames, images,
    settings: {
      // A gateway takes the monitor for silent after `disconnectPanicMs`; with Ceph's default an answer to a beacon may take 15 beacons.
      mon_nvmeofgw_beacons_till_ack: '3',
    },
  };
  const serial = serialOf(topology.nqn);
  const gateways = gatewayNames.map((name) => ({
    name,
    config: {
      name, pool: topology.pool, group: topology.group, nqn: topology.nqn, serial,
      namespaces: topology.namespaces.map(({ nsid, uuid, nguid, anaGroup, image: imageName }) => ({ nsid, uuid, nguid, anaGroup, image: imageName })),
      listeners: fabrics.map((fabric) => ({ host: addressOf(fabric, name), port: gatewayPort })),
      timers: shape.timers,
    },
  }));
  const hosts = topology.hosts.map(({ name }) => ({ name, config: hostConfigOf(plan, name) }));
  const namespaces = topology.namespaces.map(({ uuid }) => uuid);
  const parts = { setupVersion, image: image.recipe, accel, machines, nodes, ceph, gateways, hosts };
  return { nodes, ceph, gateways, hosts, namespaces, key: createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16) };
}

/** The RBD images of a plan's namespaces; `megabytes` are of 2^20 bytes. */
export function imagesOf({ namespaces }: Plan['topology']): { name: string; megabytes: number }[] {
  return namespaces.map(({ image, blocks, blockSize }) => ({ name: image, megabytes: Math.ceil((blocks * blockSize) / 1_048_576) }));
}

/**
 * The machine of a Linux initiator. On one processor the NVMe/TCP initiator blocks itself for seconds: its high-priority
 * worker spins for as long as a sender that it has preempted holds the queue's send lock (linux drivers/nvme/host/tcp.c,
 * nvme_tcp_io_work).
 */
export function hostNode(name: string): NodeSpec {
  return { name, memoryMb: nodeMemoryMb.host, cpus: 2, modules: hostModules, observes: true };
}

/** What the program of a Linux initiator is started with. */
export function hostConfigOf({ topology, shape, platform }: Plan, name: string): Record<string, unknown> {
  const { hostNqn, hostId } = topology.hosts.find((host) => host.name === name)!;
  return {
    name, hostNqn, hostId: uuidForm(hostId), nqn: topology.nqn, policy: setupPolicy, ioQueues: shape.ioQueues, timers: shape.timers,
    digests: { header: shape.headerDigest, data: shape.dataDigest },
    controllers: fabricNames.slice(0, platform.fabrics).flatMap((fabric) => topology.gateways.map(({ name: gateway }) => ({ gateway, fabric, traddr: addressOf(fabric, gateway), trsvcid: String(gatewayPort) }))),
  };
}

/** Memory that the lab takes on this machine, MB. */
export function memoryNeededMb(design: LabDesign): number {
  return overheadMb + design.nodes.reduce((sum, node) => sum + node.memoryMb, 0);
}

/** nvme-cli wants a host identifier as a UUID; the wire has 16 bytes. */
export function uuidForm(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
