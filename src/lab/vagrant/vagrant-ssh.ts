import { sleep } from '../../util/clock.js';
import { SshConnection } from '../ssh/connection.js';
import type { VagrantAccess } from './ssh-config.js';

const tryMaxMs = 30_000;
const pauseMs = 500;

export interface VagrantSshOptions {
  access: VagrantAccess;
  /** What ssh(1) takes as ProxyCommand. */
  proxy: string;
  /** Folder for the control socket; short. */
  dir: string;
}

/** The words after `ssh` that lead into a machine, as root: provisioning has given root the keys of Vagrant's user. */
export function vagrantSshOptions({ access, proxy }: Pick<VagrantSshOptions, 'access' | 'proxy'>): string[] {
  return [
    '-F', 'none', '-p', String(access.port), '-i', access.keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', `ProxyCommand=${proxy}`,
    // A machine makes its host key at its first boot, and is reached in a network of this machine's only.
    '-o', 'UserKnownHostsFile=/dev/null', '-o', 'GlobalKnownHostsFile=none', '-o', 'StrictHostKeyChecking=no',
  ];
}

export function vagrantDestination({ host }: VagrantAccess): string {
  return `root@${host}`;
}

/** SSH to a machine of Vagrant's. */
export class VagrantSsh extends SshConnection {
  constructor(options: VagrantSshOptions) {
    super({ node: options.access.node, destination: vagrantDestination(options.access), options: vagrantSshOptions(options), dir: options.dir });
  }

  /** Resolves when root can log in, however often the guest refuses until then. An infra error after `maxMs`, or when `abort` is. */
  async open(maxMs: number, abort?: AbortSignal): Promise<void> {
    const deadline = Date.now() + maxMs;
    for (;;) {
      abort?.throwIfAborted();
      try {
        await this.exec('true', { timeoutMs: tryMaxMs });
        return;
      } catch (error) {
        if (Date.now() >= deadline) throw error;
        await sleep(pauseMs);
      }
    }
  }
}
