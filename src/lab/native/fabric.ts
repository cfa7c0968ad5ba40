import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { execa } from 'execa';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { addressOf, fabricNames, macOf, prefixLength } from '../qemu/network.js';
import type { Tap } from '../qemu/vm/tap.js';
import { inCgroup, makeCgroup } from './cgroup-spawn.js';

const startMaxMs = 10_000;
const toolMaxMs = 10_000;

/** Runs a shell script in the network namespace of a process; an infra error (NETWORK) with what it said otherwise. */
export async function inNetworkOf(pid: number, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await execa('nsenter', ['--target', String(pid), '--net', '--', '/bin/sh', '-ec', script], { reject: false, stdin: 'ignore', timeout: toolMaxMs });
  if (exitCode !== 0) throw infraError('NETWORK', `the lab’s network cannot be set up: ${script.split('\n')[0] ?? ''}`, { details: `${stdout}\n${stderr}`.trim().split('\n').slice(-6) });
  return stdout;
}

/**
 * A network namespace that lives as long as a process which does nothing else. No name for it, and so no mount, is made
 * on this machine.
 */
export class NetworkHolder {
  readonly name: string;
  readonly pid: number;

  private constructor(name: string, pid: number) {
    this.name = name;
    this.pid = pid;
  }

  static async start(labCgroup: string, name: string): Promise<NetworkHolder> {
    const cgroup = makeCgroup(labCgroup, `net-${name}`);
    const { file, args } = inCgroup(cgroup, ['unshare', '--net', '--', '/bin/sh', '-c', 'ip link set lo up && echo up && exec sleep infinity']);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    child.on('error', () => undefined);
    child.unref();
    const timeout = new AbortController();
    const up = await Promise.race([
      new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true))),
      new Promise<boolean>((resolve) => child.once('exit', () => resolve(false))),
      sleep(startMaxMs, timeout.signal).then(() => false),
    ]);
    timeout.abort();
    child.stdout.destroy();
    if (!up) throw infraError('NETWORK', `no network namespace for ${name}`, { hint: 'see `pathproof doctor --lab native`' });
    return new NetworkHolder(name, child.pid!);
  }

  /** The command line that runs a program in it. */
  command(program: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.pid), '--net', '--', ...program];
  }
}

/**
 * The lab's own networks: one bridge for each fabric, in a namespace that nothing else is in. No interface of this machine
 * is on them, and packets do not leave it.
 */
export class Fabrics {
  readonly #switch: NetworkHolder;
  readonly #count: number;

  private constructor(holder: NetworkHolder, count: number) {
    this.#switch = holder;
    this.#count = count;
  }

  static async start(labCgroup: string, count: number): Promise<Fabrics> {
    const holder = await NetworkHolder.start(labCgroup, 'switch');
    // Spanning tree would hold new ports back for 30 s.
    for (const fabric of fabricNames.slice(0, count)) await inNetworkOf(holder.pid, `ip link add br-${fabric} type bridge stp_state 0 forward_delay 0\nip link set br-${fabric} up`);
    return new Fabrics(holder, count);
  }

  /** Gives the namespace of `pid` a card in each fabric, with the node's address. */
  async attach(pid: number, node: string): Promise<void> {
    for (const fabric of fabricNames.slice(0, this.#count)) {
      const port = `${node}-${fabric}`;
      const card = `fab-${fabric}`;
      await inNetworkOf(this.#switch.pid, [
        // The port of a node that was killed may still be about to vanish.
        `ip link del ${port} 2>/dev/null || true`,
        `ip link add ${port} type veth peer name ${card} address ${macOf(fabric, node)} netns ${pid}`,
        `ip link set ${port} master br-${fabric} up`,
      ].join('\n'));
      await inNetworkOf(pid, [
        'ip link set lo up',
        `ip addr add ${addressOf(fabric, node)}/${prefixLength} dev ${card}`,
        `ip link set ${card} up`,
      ].join('\n'));
    }
  }

  /** A port of fabric a's bridge for a virtual machine. */
  tap(node: string): Tap {
    return { networkOf: this.#switch.pid, interface: `${node}-a`, bridge: 'br-a' };
  }

  /** Lines of /etc/hosts for these nodes. */
  static hostsFile(nodes: readonly string[]): string {
    return ['127.0.0.1 localhost', ...nodes.map((node) => `${addressOf('a', node)} ${node}`), ''].join('\n');
  }
}

/** Where the control group of a lab is made. */
export function labCgroupPath(mount: string, id: string): string {
  return join(mount, `pathproof-${id}`);
}
