import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import type { FioCommandResult, FioExitStatus, FioRunner, NodeClock, RemoteProcess, StartOptions } from '../../../workload/fio/index.js';
import { infraError } from '../../../util/errors.js';
import { runTool } from '../tools.js';
import { shellQuote, type SshConnection } from '../../ssh/connection.js';

/** On the node's overlay, in memory: logs with a line per I/O of a run that an emulated processor can do. */
const parentFolder = '/var/tmp';
const collectMaxMs = 120_000;
/** A shell's word for "ended by signal N" is 128 + N. */
const signalBase = 128;

/**
 * Runs fio on a node over SSH. A process is started by a shell that notes its process id and hands on how it ended,
 * because ssh itself cannot send a signal and has one code for every death by one.
 */
export class SshFioRunner implements FioRunner {
  readonly #ssh: SshConnection;
  readonly #clock: () => Promise<NodeClock>;
  #started = 0;

  /** `clock`: a look at the node's clocks, by something better than a round trip of a shell. */
  constructor(ssh: SshConnection, clock: () => Promise<NodeClock>) {
    this.#ssh = ssh;
    this.#clock = clock;
  }

  async exec(argv: readonly string[], { timeoutMs = 60_000 }: { timeoutMs?: number } = {}): Promise<FioCommandResult> {
    const { exitCode, stdout, stderr } = await this.#ssh.exec(`LC_ALL=C ${words(argv)}`, { okCodes: 'any', timeoutMs });
    return { ...statusOf(exitCode), stdout, stderr };
  }

  async start(argv: readonly string[], { cwd, onStdout, onStderr }: StartOptions): Promise<RemoteProcess> {
    // A file of its own each time: an earlier process's in the same folder would be read before this one's is there.
    const pidFile = shellQuote(`${cwd}.pid.${++this.#started}`);
    // An asynchronous command of a shell ignores SIGINT until it sets a handler of its own, which fio does.
    const child = this.#ssh.pipe(`cd ${shellQuote(cwd)} || exit 1; LC_ALL=C ${words(argv)} </dev/null & echo $! >${pidFile}.new && mv ${pidFile}.new ${pidFile}; wait $!`, onStdout, onStderr);
    const ended = child.ended.then(({ exitCode }) => statusOf(exitCode));
    // Waits for the id: without it, nobody could end the process.
    const { stdout } = await this.#ssh.exec(`for i in $(seq 200); do [ -s ${pidFile} ] && break; sleep 0.05; done; cat ${pidFile}`, { okCodes: 'any' });
    const pid = Number(stdout.trim());
    if (!Number.isInteger(pid) || pid <= 0) {
      child.stop();
      throw infraError('FIO_START', `${this.#ssh.node}: ${argv[0]} did not start`);
    }
    return {
      ended,
      signal: async (signal) => {
        // One that has ended already is no error.
        await this.#ssh.exec(`kill -${signal.slice('SIG'.length)} ${pid}`, { okCodes: 'any' });
      },
    };
  }

  async makeDir(): Promise<string> {
    const { stdout } = await this.#ssh.exec(`mktemp -d ${parentFolder}/pathproof-fio-XXXXXXXX`);
    return stdout.trim();
  }

  async writeFile(path: string, text: string): Promise<void> {
    await this.#ssh.upload(text, path);
  }

  async collect(dir: string, into: string): Promise<void> {
    await mkdir(into, { recursive: true });
    const { stdout } = await this.#ssh.exec(`cd ${shellQuote(dir)} && find . -maxdepth 1 -type f -print0 | tar --null -T - -czf - | base64 -w0`, { timeoutMs: collectMaxMs });
    await runTool('tar', ['-C', into, '--no-same-owner', '-xzf', '-'], { input: Buffer.from(stdout, 'base64') });
  }

  async removeDir(dir: string): Promise<void> {
    await this.#ssh.exec(`rm -rf ${shellQuote(dir)} ${shellQuote(`${dir}.pid`)}.*`);
  }

  clock(): Promise<NodeClock> {
    return this.#clock();
  }
}

function words(argv: readonly string[]): string {
  return argv.map(shellQuote).join(' ');
}

/** `null`: the connection was lost, nobody knows. */
function statusOf(exitCode: number | null): FioExitStatus {
  if (exitCode === null || exitCode <= signalBase) return { code: exitCode, signal: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === exitCode - signalBase)?.[0];
  return name === undefined ? { code: exitCode, signal: null } : { code: null, signal: name };
}
