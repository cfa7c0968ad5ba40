import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { shellQuote, SshConnection } from '../../ssh/connection.js';
import type { LabKeys } from './keys.js';

export { shellQuote };
export type { ExecResult, ExecOptions, ExecStream } from '../../ssh/connection.js';

export interface SshOptions {
  node: string;
  port: number;
  keys: LabKeys;
  /** Folder for the control socket and the list of known hosts; short, see `socketPathMaxChars`. */
  dir: string;
}

const bannerMaxMs = 5_000;
const destination = 'root@127.0.0.1';

export interface SshFiles { node: string; port: number; keyFile: string; knownHosts: string }

function sshOptions({ node, port, keyFile, knownHosts }: SshFiles): string[] {
  return [
    '-F', 'none', '-p', String(port), '-i', keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes',
    '-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'GlobalKnownHostsFile=none', '-o', `HostKeyAlias=${node}`, '-o', 'StrictHostKeyChecking=yes',
  ];
}

/** The words after `ssh` for a connection of one's own. */
export function sshArguments(files: SshFiles): string[] {
  return [...sshOptions(files), destination];
}

/** SSH to a virtual machine of this machine's, by its forwarded port and the lab's own keys. The user's own SSH configuration is not read. */
export class Ssh extends SshConnection {
  readonly port: number;
  /** What another program needs to get in: sockets and keys, no secret by itself. */
  readonly files: SshFiles;

  constructor({ node, port, keys, dir }: SshOptions) {
    const files = { node, port, keyFile: keys.userKeyFile, knownHosts: `${dir}/${node}.known` };
    super({ node, destination, options: sshOptions(files), dir });
    this.port = port;
    this.files = files;
    writeFileSync(files.knownHosts, `${node} ${keys.hostPublic}\n`);
  }

  /** Waits for sshd's banner, then opens the connection. An infra error after `timeoutMs`. */
  async open(timeoutMs: number, abort?: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    // QEMU accepts on the forwarded port before the guest listens: only the banner tells.
    while (!(await hasBanner(this.port))) {
      abort?.throwIfAborted();
      if (Date.now() >= deadline) throw infraError('SSH_SILENT', `${this.node}: sshd does not answer within ${timeoutMs / 1_000} s`);
      await sleep(100);
    }
    await this.openMaster(Math.max(10_000, deadline - Date.now()));
  }

  /** The command with which a person gets in. */
  get command(): string {
    return ['ssh', ...sshArguments(this.files)].map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : shellQuote(w))).join(' ');
  }
}

/** True when "SSH-" comes (RFC 4253, 4.2). */
function hasBanner(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (yes: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(yes);
    };
    const timer = setTimeout(() => done(false), bannerMaxMs);
    socket.once('data', (data) => done(data.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
  });
}
