import type { CephSpec } from '../../src/lab/qemu/provision/ceph.js';

/** One card: it gets a name and addresses (`ip/length`) by its Ethernet address. */
export interface NodeCard { name: string; mac: string; addresses: string[] }

/** The secrets of one entity of the cluster, of both kinds: which one counts, the release says (keyring.ts). */
export type EntitySecrets = Record<'1' | '2', string>;

export interface ClusterIdentity { fsid: string; osdUuid: string; secrets: Record<string, EntitySecrets> }

/** Program and config of a node that runs one of ours; the program lies beside, as `ENTRY.mjs`. */
export interface NodeProgram { entry: 'gateway' | 'host'; config: Record<string, unknown> }

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
  /** Ceph's major version that the node must have; 0: any from 19 on. */
  cephMajor: number;
  /** On the ceph node all of it, on a gateway its own secret only, on a host nothing. */
  cluster?: ClusterIdentity;
  ceph?: CephSpec;
  program?: NodeProgram;
  /** On a host: the namespaces to which it must have paths, by their UUIDs. */
  namespaces?: string[];
}
