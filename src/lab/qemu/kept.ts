import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../../util/errors.js';
import { findLabs, type Leftover } from '../registry.js';
import { sshArguments, type SshFiles } from './vm/ssh.js';

/** How a person gets in: the files of a connection to a virtual machine of the qemu lab, or the words after `ssh`. */
export type NodeAccess = SshFiles | { words: readonly string[] };

/** One node of a lab that is up. */
export interface KeptNode { lab: Leftover; node: string; ssh: NodeAccess }

/** In the folder of a lab: how to get into each of its nodes. */
export const accessFile = 'access.json';

const labsOfMachines: readonly string[] = ['qemu', 'vagrant'];

/** The nodes of the machine labs that are up; each lab's folder says how to get in. */
export function keptNodes(): KeptNode[] {
  return findLabs().filter(({ record, alive }) => labsOfMachines.includes(record.lab) && alive.length > 0).flatMap((lab) => {
    try {
      const access = JSON.parse(readFileSync(join(lab.record.runDir, accessFile), 'utf8')) as Record<string, NodeAccess>;
      return Object.entries(access).map(([node, ssh]) => ({ lab, node, ssh }));
    } catch {
      return [];
    }
  });
}

/** The arguments for ssh(1) that lead into a node of a lab that is up. Throws a usage error with what there is. */
export function sshInto(node: string): string[] {
  const nodes = keptNodes();
  const found = nodes.filter((each) => each.node === node);
  if (found.length === 1) return wordsOf(found[0]!.ssh);
  if (found.length > 1) throw usageError('AMBIGUOUS_NODE', `${found.length} labs that are up have a node ${node}`, 'End those that you do not need: `pathproof lab status`, `pathproof lab down`.');
  throw usageError('NO_SUCH_NODE', nodes.length === 0 ? 'no lab of machines is up' : `no node ${node} in the lab that is up`, nodes.length === 0 ? '`pathproof lab up --lab qemu` brings one up.' : `Nodes: ${nodes.map((each) => each.node).join(', ')}`);
}

function wordsOf(access: NodeAccess): string[] {
  return 'words' in access ? [...access.words] : sshArguments(access);
}

/** Labs' folders that hold logs, for a hint. */
export function logsOf(lab: Leftover): string[] {
  try {
    return readdirSync(join(lab.record.runDir, 'logs')).map((name) => join(lab.record.runDir, 'logs', name));
  } catch {
    return [];
  }
}
