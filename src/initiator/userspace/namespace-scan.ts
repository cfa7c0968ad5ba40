import {
  Cns, decodeActiveNsList, decodeIdentifyNamespace, decodeNsDescriptors, formatUuid, isInactiveNamespace, Limit, namespaceGeometry, Nmic,
  NvmeCodecError, Status,
} from '../../nvme/index.js';
import { HostLimit } from './limits.js';
import { CommandFailed } from './loss.js';
import type { Session } from './session.js';

/** A namespace as one controller identifies it. */
export interface ScannedNamespace {
  nsid: number;
  /** Lower case; empty if the controller reports none. */
  uuid: string;
  /** 32 hexadecimal digits; empty if none. */
  nguid: string;
  /** 16 hexadecimal digits; empty if none. */
  eui64: string;
  blockSize: number;
  blocks: number;
  /** ANAGRPID of Identify Namespace, 0 without ANA. */
  anaGroup: number;
  /** NMIC bit 0: more than one controller may have it. */
  shared: boolean;
}

export interface NamespaceScan {
  /** Ascending by nsid. */
  namespaces: ScannedNamespace[];
  /** Namespaces that this host cannot use, and why. */
  skipped: { nsid: number; reason: string }[];
}

const parallelIdentifies = 8;

/** Active namespace list (CNS 02h), then descriptors (03h) and Identify Namespace (00h) of each. */
export async function scanNamespaces(session: Session): Promise<NamespaceScan> {
  const nsids = await activeNamespaces(session);
  const scan: NamespaceScan = { namespaces: [], skipped: [] };
  for (let at = 0; at < nsids.length; at += parallelIdentifies) {
    const found = await Promise.all(nsids.slice(at, at + parallelIdentifies).map(async (nsid) => identifyOne(session, nsid)));
    for (const item of found) {
      if (item === null) continue;
      if ('reason' in item) scan.skipped.push(item);
      else scan.namespaces.push(item);
    }
  }
  return scan;
}

async function activeNamespaces(session: Session): Promise<number[]> {
  const nsids: number[] = [];
  for (;;) {
    const page = decodeActiveNsList(await session.identifyPage('Identify active namespaces', Cns.activeNamespaces, nsids.at(-1) ?? 0));
    nsids.push(...page);
    if (page.length < Limit.nsListEntriesMax || nsids.length >= HostLimit.namespacesMax) return nsids.slice(0, HostLimit.namespacesMax);
  }
}

/** Null: removed between the list and this command. */
async function identifyOne(session: Session, nsid: number): Promise<ScannedNamespace | { nsid: number; reason: string } | null> {
  try {
    const descriptors = decodeNsDescriptors(await session.identifyPage('Identify namespace descriptors', Cns.namespaceDescriptors, nsid));
    const ns = decodeIdentifyNamespace(await session.identifyPage('Identify Namespace', Cns.namespace, nsid));
    if (isInactiveNamespace(ns)) return null;
    if ((descriptors.csi ?? 0) !== 0) return { nsid, reason: `command set ${descriptors.csi} is not NVM` };
    const nguid = descriptors.nguid ?? ns.nguid;
    const eui64 = descriptors.eui64 ?? ns.eui64;
    return {
      nsid,
      uuid: descriptors.uuid === undefined || hexOrNone(descriptors.uuid) === '' ? '' : formatUuid(descriptors.uuid),
      nguid: hexOrNone(nguid),
      eui64: hexOrNone(eui64),
      ...namespaceGeometry(ns),
      anaGroup: ns.anagrpid,
      shared: (ns.nmic & Nmic.shared) !== 0,
    };
  } catch (error) {
    if (error instanceof CommandFailed && error.status === Status.invalidNamespace) return null;
    if (error instanceof NvmeCodecError) return { nsid, reason: error.message };
    throw error;
  }
}

/** All zeros mean "not reported". */
function hexOrNone(id: Buffer): string {
  return id.every((byte) => byte === 0) ? '' : id.toString('hex');
}
