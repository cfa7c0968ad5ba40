import type { ProcessIdentity } from './qemu/processes.js';
import type { ConsoleFinding } from './qemu/vm/console.js';
import type { SshConnection } from './ssh/connection.js';

export interface MachineExit { exitCode: number | null; signal: string | null }

/** What a gateway needs of the machine that it runs on. */
export interface GatewayMachine {
  /** Undefined while the machine is off. */
  readonly identity: unknown;
  /** Logs in as root. Throws while the machine is off. */
  readonly ssh: SshConnection;
  /** The power goes. Resolves when the machine is off. */
  kill(): Promise<void>;
}

/** A virtual machine of a lab, whoever runs it: what a run needs of it. */
export interface LabMachine extends GatewayMachine {
  readonly name: string;
  /** Its emulator's process; undefined while the machine is off. */
  readonly identity: ProcessIdentity | undefined;
  /** Settles with the first sign that the guest's kernel is not to be trusted any more; of this power-on, if it runs. */
  readonly broken: Promise<ConsoleFinding>;
  /** Settles when the emulator's process ends. */
  readonly exited: Promise<MachineExit>;
  /** Files in which the guest's console and the emulator's own words are; either may not be there. */
  readonly serialLog: string;
  readonly qemuLog: string;
  /** The last lines of the guest's console. */
  consoleTail(): string[];
}

/** The virtual machines of one lab. */
export interface LabMachines {
  /** Short folder for sockets and scratch files. */
  readonly dir: string;
  readonly nodes: ReadonlyMap<string, LabMachine>;
  /** Throws when there is none of this name. */
  node(name: string): LabMachine;
  /** Powers one on again; resolves when it can be logged into. */
  bootNode(name: string): Promise<void>;
  processes(): ProcessIdentity[];
}
