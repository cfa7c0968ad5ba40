import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../tools.js';

/** The SSH keys of one lab: one for the harness, one that all its nodes show as their host key. They live and go with the lab's folder. */
export interface LabKeys {
  userKeyFile: string;
  userPublic: string;
  hostKey: string;
  hostPublic: string;
}

/** Makes the keys in `dir`, or finds those that an earlier command made there. */
export async function ensureKeys(dir: string): Promise<LabKeys> {
  const user = join(dir, 'id_user');
  const host = join(dir, 'id_host');
  for (const file of [user, host]) {
    try {
      readFileSync(`${file}.pub`);
    } catch {
      await runTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'pathproof-lab', '-f', file], { timeoutMs: 20_000 });
    }
  }
  return {
    userKeyFile: user, userPublic: readFileSync(`${user}.pub`, 'utf8').trim(),
    hostKey: readFileSync(host, 'utf8'), hostPublic: readFileSync(`${host}.pub`, 'utf8').trim(),
  };
}
