import type { NvmeofSubsystem } from '../../src/lab/cephadm/nvmeof-subsystem.js';
import type { CephSpec } from '../../src/lab/qemu/provision/ceph.js';

/** One card: it gets a name and addresses (`ip/length`) by its Ethernet address. */
export interface NodeCard { name: string; mac: string; addresses: string[] }

/** The secrets of one entity of the cluster, of both kinds: which one counts, the release says (keyring.ts). */
export type EntitySecrets = Record<'1' | '2', string>;

export interface ClusterIdentity { fsid: string; osdUuid: string; secrets: Record<string, EntitySecrets> }

/** Program and config of a node that runs one of ours; the program lies beside, as `ENTRY.mjs`. */
export interface NodeProgram { entry: 'gateway' | 'host'; config: Record<string, unknown> }

/** A group of real ceph-nvmeof gateways: what its own CLI is told. */
export interface CephNvmeof extends NvmeofSubsystem {
  /** Container of nvmeof-cli; empty: `ceph nvmeof`. */
  cliImage: string;
  /** A gateway's gRPC service, for nvmeof-cli. */
  serverAddress: string;
}

/** The cluster that the first node of the flavour cephadm makes. */
export interface CephadmDescription {
  fsid: string;
  /** Name and address of that node. */
  host: string;
  address: string;
  /** With which the orchestrator logs in to its hosts, as OpenSSH has keys. */
  key: { secret: string; public: string };
  /** ceph.conf for `cephadm bootstrap --config`. */
  config: string;
  /** Container image of the daemons; empty: cephadm's own choice. */
  image: string;
  /** From a registry. */
  pull: boolean;
  /** Ceph's major version that the daemons must have; 0: any from 19 on. */
  cephMajor: number;
  /** The first of these that exists is the OSD's disk. */
  osdDevices: string[];
  pool: string;
  group: string;
  images: { name: string; megabytes: number }[];
  gateways: { name: string; address: string }[];
  /** Name of the service, and its YAML with the first gateway, with the first two, and so on. */
  service: string;
  services: string[];
  /** Absent: the gateways read what they serve from a file (src/gateway/cephadm). */
  nvmeof?: CephNvmeof;
}

/** What a machine is told (`node.json`): all that makes a box that node of the lab. */
export interface NodeDescription {
  name: string;
  cards: NodeCard[];
  /** Lines of /etc/hosts. */
  hosts: string[];
  modules: string[];
  packages: string[];
  /** A line for sources.list; empty: none. */
  repository: string;
  /** Ceph's major version that the node's packages must have; 0: any from 19 on; absent: what runs is in containers. */
  cephMajor?: number;
  /** On the ceph node all of it, on a gateway its own secret only, on a host nothing. */
  cluster?: ClusterIdentity;
  ceph?: CephSpec;
  program?: NodeProgram;
  /** On a host: the namespaces to which it must have paths, by their UUIDs, or how many there are. */
  namespaces?: string[] | number;
  /** No udev once the machine is up (udev.ts). */
  quietDevices?: boolean;
  /** Keys with which others log in as root. */
  authorizedKeys?: string[];
  /** Files and folders for what others start on this node; of each file the name beside `node.json`, or its text. */
  files?: { path: string; from?: string; text?: string }[];
  folders?: string[];
  cephadm?: CephadmDescription;
}
