import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { infraError } from '../../util/errors.js';
import { SshConnection, type ExecOptions, type ExecResult } from '../ssh/connection.js';
import { hostNamed, type Inventory, type InventoryHost } from './file.js';
import type { Route } from './journal.js';

/** The harness's own machine, on which power commands run, among the names of hosts. */
export const harnessHost = 'harness';

const localTimeoutMs = 60_000;
const openMaxMs = 60_000;

export function routeOf(inventory: Pick<Inventory, 'sshConfig'>, host: Pick<InventoryHost, 'ssh'>): NonNullable<Route> {
  return { destination: host.ssh, ...(inventory.sshConfig === undefined ? {} : { config: inventory.sshConfig }) };
}

export function hostNamedRoute(inventory: Inventory, name: string): NonNullable<Route> {
  return routeOf(inventory, hostNamed(inventory, name));
}

/** The options of ssh(1) for a host: the user's own configuration, or another file, and never a question on the terminal. */
export function sshOptionsFor(route: NonNullable<Route>): string[] {
  return [...(route.config === undefined ? [] : ['-F', route.config]), '-o', 'BatchMode=yes', '-o', 'ServerAliveInterval=5', '-o', 'ServerAliveCountMax=3'];
}

/**
 * Connections to the hosts, each opened when it is first used. Every command that is run on any of them, and every file
 * that is written there, passes `onCommand` first.
 */
export class HostConnections {
  /** For sockets; short. */
  readonly dir = mkdtempSync(join(tmpdir(), 'ppinv-'));
  readonly #connections = new Map<string, SshConnection>();
  readonly #onCommand: (host: string, command: string) => void;

  constructor(onCommand: (host: string, command: string) => void = () => undefined) {
    this.#onCommand = onCommand;
  }

  to(host: string, route: NonNullable<Route>): SshConnection {
    let connection = this.#connections.get(host);
    if (connection === undefined) {
      connection = new SshConnection({ node: host, destination: route.destination, options: sshOptionsFor(route), dir: this.dir, onCommand: (command) => this.#onCommand(host, command) });
      this.#connections.set(host, connection);
    }
    return connection;
  }

  /** Runs a command on a host, or with the route null on this machine. An infra error when it fails. */
  async run(host: string, route: Route, command: string, options: ExecOptions = {}): Promise<ExecResult> {
    if (route !== null) return this.to(host, route).exec(command, { timeoutMs: openMaxMs, ...options });
    this.#onCommand(host, command);
    const fromMs = performance.now();
    const result = await execa('sh', ['-c', command], { reject: false, stdin: 'ignore', timeout: options.timeoutMs ?? localTimeoutMs });
    const exitCode = result.exitCode ?? -1;
    if (!(options.okCodes === 'any' ? !result.timedOut : (options.okCodes ?? [0]).includes(exitCode))) {
      throw infraError('LOCAL_COMMAND', `\`${command}\` ${result.timedOut ? 'did not end in time' : `ended with exit code ${result.exitCode ?? 'none'}`}`, { details: `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-10) });
    }
    return { stdout: result.stdout, stderr: result.stderr, exitCode, ms: Math.round(performance.now() - fromMs) };
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
