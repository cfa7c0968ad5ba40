import { spawn } from 'node:child_process';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { parseEndpoint } from '../qemu/network.js';
import { connectUnix } from '../qemu/unix-socket.js';
import { inCgroup } from './cgroup-spawn.js';

/** Node's program of a relay: a unix socket whose connections go to HOST PORT. */
const relayProgram = `const net = require('node:net');
const [path, host, port] = process.argv.slice(1);
net.createServer((from) => {
  const to = net.connect({ host, port: Number(port), noDelay: true });
  from.on('error', () => to.destroy()); to.on('error', () => from.destroy());
  from.on('close', () => to.destroy()); to.on('close', () => from.destroy());
  from.pipe(to); to.pipe(from);
}).listen(path);`;
const startMaxMs = 15_000;

/** Ways from this machine into a network of the lab: processes in that network which listen on unix sockets. */
export class Relays {
  readonly #cgroup: string;
  readonly #pid: () => number;

  /** `pid`: a process of the network. `cgroup`: the relays'. */
  constructor(cgroup: string, pid: () => number) {
    this.#cgroup = cgroup;
    this.#pid = pid;
  }

  /** Resolves when `local` leads to `address` (ip:port). */
  async forward(local: string, address: string): Promise<void> {
    const { host, port } = parseEndpoint(address);
    const { file, args } = inCgroup(this.#cgroup, ['nsenter', '--target', String(this.#pid()), '--net', '--', process.execPath, '-e', relayProgram, local, host, String(port)]);
    const child = spawn(file, args, { stdio: 'ignore', detached: true });
    child.on('error', () => undefined);
    child.unref();
    const deadline = Date.now() + startMaxMs;
    for (;;) {
      try {
        (await connectUnix(local)).destroy();
        return;
      } catch (error) {
        if (Date.now() >= deadline) throw infraError('NETWORK', `no way to ${address}`, { cause: error });
        await sleep(50);
      }
    }
  }
}
