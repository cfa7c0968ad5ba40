import { join } from 'node:path';
import { createServer, type Server } from 'node:net';
import { CephMonSession } from '../../../ceph/msgr2/index.js';
import type { CommandReply } from '../../../monitor/client.js';
import { infraError, messageOf } from '../../../util/errors.js';
import { parseEndpoint } from '../network.js';
import { connectUnix } from '../unix-socket.js';
import type { SshConnection } from '../../ssh/connection.js';

export interface ClusterAccess {
  fsid: string;
  /** The monitors as the nodes know them, `ip:port`. */
  monHosts: readonly string[];
  /** The administrator's key; absent: auth none. */
  adminKey: string | undefined;
}

const connectMaxMs = 20_000;

/**
 * The administrator's session with the lab's monitors, from the harness: our own msgr2 client through SSH, so that a
 * command takes milliseconds and no fault on the fabrics touches it.
 */
export class ClusterSession {
  readonly #session: CephMonSession;
  readonly #relays: Server[];

  private constructor(session: CephMonSession, relays: Server[]) {
    this.#session = session;
    this.#relays = relays;
  }

  static async open(ssh: Pick<SshConnection, 'forward'>, dir: string, access: ClusterAccess): Promise<ClusterSession> {
    const relays: Server[] = [];
    const mons = await Promise.all(access.monHosts.map(async (address, index) => {
      const local = join(dir, `mon${index}.fwd`);
      await ssh.forward(local, address);
      const { server, port } = await relayTo(local);
      relays.push(server);
      return { host: '127.0.0.1', port, announced: parseEndpoint(address) };
    }));
    const session = new CephMonSession({
      mons, entity: 'client.admin', fsid: access.fsid, hostname: 'pathproof-harness', ...(access.adminKey === undefined ? {} : { key: access.adminKey, mode: 'crc' as const }),
    });
    const cluster = new ClusterSession(session, relays);
    try {
      await session.whenConnected(connectMaxMs);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw infraError('CEPH_SESSION', `the monitor does not answer: ${messageOf(error)}`, { cause: error });
    }
  }

  async command(command: Record<string, unknown>): Promise<CommandReply> {
    const { code, status, output } = await this.#session.command(command);
    return { code, status, output: output.toString('utf8') };
  }

  /** The output of a command that must succeed. */
  async must(command: Record<string, unknown>): Promise<string> {
    return outputOf(command, await this.command(command));
  }

  async close(): Promise<void> {
    await this.#session.close();
    for (const relay of this.#relays) relay.close();
  }
}

/** The output of a command that has succeeded; an infra error for one that has not. */
export function outputOf(command: Record<string, unknown>, { code, status, output }: CommandReply): string {
  if (code !== 0) throw infraError('CEPH_COMMAND', `ceph ${String(command['prefix'])}: ${status} (${code})`);
  return output;
}

/** A port of 127.0.0.1, chosen by the kernel, that leads to a unix socket. */
async function relayTo(path: string): Promise<{ server: Server; port: number }> {
  const server = createServer((from) => {
    from.on('error', () => undefined);
    connectUnix(path).then((to) => {
      to.on('error', () => from.destroy());
      to.setNoDelay?.(true);
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
      from.pipe(to);
      to.pipe(from);
    }, () => from.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('a relay has no port');
  return { server, port: address.port };
}
