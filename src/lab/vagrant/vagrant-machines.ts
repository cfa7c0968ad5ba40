import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { infraError } from '../../util/errors.js';
import type { LabMachines } from '../machine.js';
import { accessFile, type NodeAccess } from '../qemu/kept.js';
import type { ClusterAccess } from '../qemu/lab/cluster.js';
import type { ProcessIdentity } from '../qemu/processes.js';
import type { LibvirtRoom } from './room.js';
import { parseSshConfig } from './ssh-config.js';
import { VagrantMachine } from './vagrant-machine.js';
import { wantedBox } from './wanted-box.js';

/** On a busy machine without KVM a boot takes minutes; one that takes more has hung. */
export const bootMaxMs = 15 * 60_000;
const upMaxMs = 60 * 60_000;
const boxMaxMs = 45 * 60_000;
const commandMaxMs = 10 * 60_000;

/** The checkout: Vagrantfile, vagrant/ and node_modules, which a package does not have. */
export function checkoutDir(): string {
  for (const up of ['../../..', '../../../..']) {
    const dir = fileURLToPath(new URL(up, import.meta.url));
    if (existsSync(join(dir, 'Vagrantfile'))) return dir;
  }
  throw infraError('NO_VAGRANTFILE', 'the Vagrant lab is made by the Vagrantfile of a checkout of pathproof, and this is none', { hint: 'clone the repository, `npm ci`, and run it there' });
}

/** The machines that Vagrant has made in a room. */
export class VagrantMachines implements LabMachines {
  readonly nodes: ReadonlyMap<string, VagrantMachine>;
  readonly #room: LibvirtRoom;

  private constructor(room: LibvirtRoom, nodes: ReadonlyMap<string, VagrantMachine>) {
    this.#room = room;
    this.nodes = nodes;
  }

  /**
   * The local box, if it is the one that is wanted and the cache has none. Outside the room, which reaches no mirror. An infra error with the
   * last lines of its output when it cannot be built.
   */
  static async buildBox(suite: string, onLine: (line: string) => void): Promise<void> {
    if (wantedBox(checkoutDir()) !== 'local') return;
    const child = execa(process.execPath, ['--import', 'tsx', 'vagrant/box/main.ts', '--suite', suite], { cwd: checkoutDir(), stdin: 'ignore', reject: false, timeout: boxMaxMs });
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line);
      onLine(line);
    });
    const { exitCode } = await child;
    if (exitCode !== 0) throw infraError('VAGRANT_BOX', 'the box of the Vagrant lab could not be built', { details: lines.slice(-15), hint: '`npm run box` in the checkout builds it, too' });
  }

  /** `vagrant up` with these settings (LAB_…, vagrant/lab.yaml). An infra error with the last lines of its output when it fails. */
  static async up(room: LibvirtRoom, env: Record<string, string>, onLine: (line: string) => void): Promise<void> {
    const { exitCode, output, timedOut } = await room.run('vagrant', ['up'], checkoutDir(), { env, timeoutMs: upMaxMs, onLine });
    if (exitCode !== 0) throw infraError('VAGRANT_UP', timedOut ? `vagrant up did not end within ${upMaxMs / 60_000} minutes` : `vagrant up ended with exit code ${exitCode}`, { details: output.trimEnd().split('\n').slice(-15) });
  }

  /** Finds the machines of a room in which `vagrant up` has ended, and logs into each. `observers`: those that go before the others. */
  static async attach(room: LibvirtRoom, env: Record<string, string>, observers: readonly string[]): Promise<VagrantMachines> {
    const config = await room.run('vagrant', ['ssh-config'], checkoutDir(), { env, timeoutMs: commandMaxMs });
    const list = await room.run('virsh', ['--connect', 'qemu:///system', 'list', '--name'], '/', { timeoutMs: commandMaxMs });
    if (config.exitCode !== 0 || list.exitCode !== 0) throw infraError('VAGRANT_SSH_CONFIG', 'Vagrant does not say how to get into its machines', { details: `${config.output}\n${list.output}`.trim().split('\n').slice(-15) });
    const domains = list.stdout.split('\n');
    const machines = parseSshConfig(config.stdout).map((access) => {
      const domain = domains.find((name) => name.startsWith('pathproof-') && name.endsWith(`-${access.node}`));
      if (domain === undefined) throw infraError('VM_DOWN', `${access.node} is not running`);
      return new VagrantMachine({ domain, access, room, bootMaxMs, observes: observers.includes(access.node) });
    });
    await Promise.all(machines.map((machine) => machine.attach()));
    writeFileSync(join(room.dir, accessFile), JSON.stringify(Object.fromEntries(machines.map((machine) => [machine.name, { words: machine.sshWords } satisfies NodeAccess]))));
    return new VagrantMachines(room, new Map(machines.map((machine) => [machine.name, machine])));
  }

  get dir(): string {
    return this.#room.dir;
  }

  node(name: string): VagrantMachine {
    const machine = this.nodes.get(name);
    if (machine === undefined) throw new Error(`the lab has no node ${name}`);
    return machine;
  }

  async bootNode(name: string): Promise<void> {
    await this.node(name).boot();
  }

  /** All at one moment: every guest stands still while all are saved, then all go on. */
  async save(tag: string): Promise<void> {
    await this.#all((machine) => machine.pause());
    try {
      await this.#all((machine) => machine.saveSnapshot(tag));
    } finally {
      await this.#all((machine) => machine.resume());
    }
  }

  /** To the guests no time has passed: they were all paused when they were saved, and go on together. */
  async restore(tag: string): Promise<void> {
    await this.#all((machine) => machine.kill());
    await this.#all((machine) => machine.revert(tag));
    await this.#all((machine) => machine.resume());
    await this.#all((machine) => machine.untilSshAgain());
  }

  processes(): ProcessIdentity[] {
    return [...this.nodes.values()].flatMap(({ identity }) => (identity === undefined ? [] : [identity]));
  }

  letGo(): void {
    for (const machine of this.nodes.values()) machine.letGo();
  }

  async #all(work: (machine: VagrantMachine) => Promise<void>): Promise<void> {
    await Promise.all([...this.nodes.values()].map(work));
  }
}

/** The administrator's access to the cluster, from the files of the ceph node. */
export async function clusterAccess(ceph: VagrantMachine, monHosts: readonly string[]): Promise<ClusterAccess> {
  const { stdout } = await ceph.ssh.exec("sed -n 's/^fsid = //p' /etc/ceph/ceph.conf; sed -n 's/^.*key = //p' /etc/ceph/ceph.client.admin.keyring");
  const [fsid, adminKey] = stdout.trim().split('\n');
  if (fsid === undefined || adminKey === undefined) throw infraError('CLUSTER_KEY', 'the ceph node has no cluster, or no key of its administrator');
  return { fsid, monHosts, adminKey };
}
