import { createHash } from 'node:crypto';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { bundleGuestEntry, guestEntries, type GuestEntry } from '../guest/bundle.js';
import { gatewayConfigText } from '../guest/gateway-config.js';
import { hostThreads } from '../guest/host-config.js';
import { memberFiles, programPath, startCommand, supervisorPath, supervisorScript } from '../guest/supervisor.js';
import type { SshConnection } from '../ssh/connection.js';

/** How a program in a guest ended, as its supervisor saw it. */
export interface ProgramExit { exitCode: number | null; signal: string | null }

/** What a run does with the programs in the guests. */
export type ProgramControl = Pick<GuestPrograms, 'install' | 'start' | 'exitOf'>;

/** Our programs for guests, bundled: brings them to a node, starts them there, and asks how they ended. */
export class GuestPrograms {
  /** Of all of them: snapshots with other programs inside are of no use. */
  readonly sha256: string;
  readonly #code: ReadonlyMap<GuestEntry, string>;

  private constructor(code: ReadonlyMap<GuestEntry, string>) {
    this.#code = code;
    const hash = createHash('sha256').update(supervisorScript);
    for (const [entry, text] of code) hash.update(entry).update(text);
    this.sha256 = hash.digest('hex').slice(0, 16);
  }

  static async bundle(): Promise<GuestPrograms> {
    return new GuestPrograms(new Map(await Promise.all(guestEntries.map(async (entry) => [entry, (await bundleGuestEntry(entry)).code] as const))));
  }

  /** Program, supervisor and config onto a node. */
  async install(ssh: SshConnection, entry: GuestEntry, name: string, config: Record<string, unknown>): Promise<void> {
    const text = { program: this.#code.get(entry)!, supervisor: supervisorScript, config: isGateway(entry) ? gatewayConfigText(config) : JSON.stringify(config) };
    for (const { what, path, mode } of installedFiles(entry, name)) await ssh.upload(text[what], path, mode);
  }

  /** Returns as soon as it was started; whoever attaches waits until it answers. */
  async start(ssh: SshConnection, entry: GuestEntry, name: string): Promise<void> {
    await ssh.exec(programStartCommand(entry, name));
  }

  /** How the last incarnation ended; waits until its supervisor has said so and has cleaned up. */
  async exitOf(ssh: SshConnection, name: string, timeoutMs: number): Promise<ProgramExit> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { stdout } = await ssh.exec(programExitCommand(name), { okCodes: 'any' });
      const code = Number.parseInt(stdout, 10);
      // A shell's word for "ended by signal N" is 128 + N.
      if (Number.isInteger(code)) return code > 128 ? { exitCode: null, signal: code === 137 ? 'SIGKILL' : code === 143 ? 'SIGTERM' : `signal ${code - 128}` } : { exitCode: code, signal: null };
      if (Date.now() >= deadline) throw infraError('PROGRAM_EXIT', `${name}: its supervisor does not say how it ended`);
      await sleep(100);
    }
  }
}

/** Those that have a supervisor. */
function isGateway(entry: GuestEntry): boolean {
  return entry !== 'host';
}

/** The files of a program on a node, in the order in which they are written. */
export function installedFiles(entry: GuestEntry, name: string): { what: 'program' | 'supervisor' | 'config'; path: string; mode: number }[] {
  return [
    { what: 'program', path: programPath(entry), mode: 0o644 },
    { what: 'supervisor', path: supervisorPath, mode: 0o755 },
    // It may hold a secret of the cluster.
    { what: 'config', path: memberFiles(name).config, mode: 0o600 },
  ];
}

/** The command that starts a program on a node, and returns at once. */
export function programStartCommand(entry: GuestEntry, name: string): string {
  const { config, log } = memberFiles(name);
  return isGateway(entry) ? startCommand(name, entry) : `mkdir -p "$(dirname ${log})"; UV_THREADPOOL_SIZE=${hostThreads} setsid node ${programPath(entry)} ${config} </dev/null >>${log} 2>&1 &`;
}

/** Prints the exit status of a gateway's last incarnation. */
export function programExitCommand(name: string): string {
  return `cat ${memberFiles(name).exit} 2>/dev/null`;
}
