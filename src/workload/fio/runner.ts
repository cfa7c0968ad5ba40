import type { NodeClock } from './clock.js';

/** How a process on a node ended. */
export interface FioExitStatus {
  code: number | null;
  signal: string | null;
}

export interface FioCommandResult extends FioExitStatus {
  stdout: string;
  stderr: string;
}

/** A running process on a node. */
export interface RemoteProcess {
  /** Resolves when it has ended and everything that it printed has been handed over. Never rejects. */
  readonly ended: Promise<FioExitStatus>;
  /** SIGINT: fio stops and writes its report, logs and state. SIGKILL: it is gone. A process that has ended is no error. */
  signal(signal: 'SIGINT' | 'SIGKILL'): Promise<void>;
}

export interface StartOptions {
  /** Working directory on the node. */
  cwd: string;
  onStdout: (chunk: Uint8Array) => void;
  onStderr: (chunk: Uint8Array) => void;
}

/**
 * What is needed to run fio on a node: the machine of the harness (local-runner.ts), or a host of a lab over SSH. Paths
 * are paths of the node. Methods reject with an infra error (PathproofError, exit 3) when the node cannot be reached.
 */
export interface FioRunner {
  /** Runs a command to its end. A program that is not there ends with code 127, as in a shell. */
  exec(argv: readonly string[], options?: { timeoutMs?: number }): Promise<FioCommandResult>;
  /** Starts a process; the promise resolves when it runs. */
  start(argv: readonly string[], options: StartOptions): Promise<RemoteProcess>;
  /** A new, empty folder that nobody else uses. */
  makeDir(): Promise<string>;
  writeFile(path: string, text: string): Promise<void>;
  /** Copies the files of a folder of the node (not its subfolders) into a folder of the harness. */
  collect(dir: string, into: string): Promise<void>;
  /** Removes a folder that `makeDir` made. */
  removeDir(dir: string): Promise<void>;
  /** A look at the node's clocks, now. */
  clock(): Promise<NodeClock>;
}
