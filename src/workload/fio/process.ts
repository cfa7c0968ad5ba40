import { join } from 'node:path';
import type { FioEta } from 'fio-parser';
import type { EventBody, FioProcessId } from '../../history/events.js';
import { fioDir, fioFiles, openFioSource, readFioProcess, type FioReading } from '../../history/fio/index.js';
import { nowUs } from '../../util/clock.js';
import { infraError, messageOf, PathproofError } from '../../util/errors.js';
import { ArtifactFolder } from './artifacts.js';
import { jobFileName, type FioPhaseCommand } from './build.js';
import type { FioCapabilities } from './capabilities.js';
import { anchorLog, type NodeClock } from './clock.js';
import { EtaStream } from './eta-stream.js';
import type { FioExitStatus, FioRunner, RemoteProcess } from './runner.js';

export interface FioProcessOptions {
  id: FioProcessId;
  command: FioPhaseCommand;
  /** The fio to run: a path or a name of the node. */
  binary: string;
  devices: Readonly<Record<string, string>>;
  capabilities: FioCapabilities;
  runner: FioRunner;
  runDir: string;
  emit: (event: EventBody) => void;
}

/** Messages in a `fio.result` event; all of them are in the artifacts. */
const messagesMax = 10;

/** One process of fio on a node, from its start to its artifacts in the run's folder. */
export class FioProcess {
  readonly #options: FioProcessOptions;
  readonly #dir: string;
  readonly #folder: ArtifactFolder;
  readonly #process: RemoteProcess;
  readonly #startedUs: number;
  readonly #clock: NodeClock;
  #heardUs: number | undefined;
  #endedBy: 'itself' | 'stop' | 'kill' = 'itself';
  #busy: () => void = () => undefined;
  /** Settles when a progress line shows I/O, or the process has ended. */
  readonly busy: Promise<void>;
  /** Settles when the process has ended and its artifacts are stored. Rejects only when they could not be stored. */
  readonly done: Promise<FioReading>;

  private constructor(options: FioProcessOptions, dir: string, folder: ArtifactFolder, process: RemoteProcess, startedUs: number, clock: NodeClock, stream: EtaStream) {
    this.#options = options;
    this.#dir = dir;
    this.#folder = folder;
    this.#process = process;
    this.#startedUs = startedUs;
    this.#clock = clock;
    this.busy = new Promise((resolve) => {
      this.#busy = resolve;
    });
    this.done = process.ended.then((status) => {
      stream.end();
      this.#busy();
      return this.#finish(status);
    });
    this.done.catch(() => undefined);
  }

  /** Starts it; a fio that cannot be started is an infra error, and an event with state `failed`. */
  static async start(options: FioProcessOptions): Promise<FioProcess> {
    const { id, command, binary, runner, runDir, emit, capabilities, devices } = options;
    const artifacts = fioDir(id);
    const folder = new ArtifactFolder(join(runDir, artifacts));
    const argv = [binary, ...command.args];
    folder.put(fioFiles.jobFile, command.jobFile);
    folder.put(fioFiles.command, `${argv.join(' ')}\n`);
    for (const message of command.warnings) emit({ type: 'log', level: 'warn', message: `fio ${id.job} (${id.phase}): ${message}` });
    let process: FioProcess | undefined;
    const early: (() => void)[] = [];
    const soon = (act: (self: FioProcess) => void): void => {
      if (process === undefined) early.push(() => act(process!));
      else act(process);
    };
    const stream = new EtaStream((eta) => soon((self) => self.#onEta(eta)), (text) => folder.append(fioFiles.stdout, text));
    try {
      const dir = await runner.makeDir();
      await runner.writeFile(`${dir}/${jobFileName}`, command.jobFile);
      const clock = await runner.clock();
      const startedUs = nowUs();
      const remote = await runner.start(argv, {
        cwd: dir,
        onStdout: (chunk) => {
          soon((self) => self.#heard());
          stream.write(chunk);
        },
        onStderr: (chunk) => {
          soon((self) => self.#heard());
          folder.append(fioFiles.stderr, Buffer.from(chunk).toString('utf8'));
        },
      });
      process = new FioProcess(options, dir, folder, remote, startedUs, clock, stream);
    } catch (error) {
      emit({ type: 'fio.process', ...id, state: 'failed', dir: artifacts, version: capabilities.versionText, devices: { ...devices }, message: messageOf(error) });
      throw error instanceof PathproofError ? error : infraError('FIO_START', `fio ${id.job} (${id.phase}) could not be started on ${id.host}: ${messageOf(error)}`, { cause: error });
    }
    emit({ type: 'fio.process', ...id, state: 'started', dir: artifacts, version: capabilities.versionText, devices: { ...devices } });
    process.#announceClock();
    for (const act of early) act();
    return process;
  }

  /** Asks fio to stop, write its report and its logs. */
  async stop(): Promise<void> {
    if (this.#endedBy === 'itself') this.#endedBy = 'stop';
    await this.#process.signal('SIGINT');
  }

  /** Ends it at once. Its logs are lost: fio writes them at its end. */
  async kill(): Promise<void> {
    this.#endedBy = 'kill';
    await this.#process.signal('SIGKILL');
  }

  #heard(): void {
    this.#heardUs ??= nowUs();
  }

  #onEta({ readIops, writeIops }: FioEta): void {
    if (readIops + writeIops > 0) this.#busy();
    this.#options.emit({ type: 'fio.stats', ...this.#options.id, readIops, writeIops });
  }

  #announceClock(later?: NodeClock): void {
    const { id, capabilities, emit } = this.#options;
    emit({ type: 'fio.clock', ...id, ...anchorLog(capabilities.logClock, this.#clock, { startedUs: this.#startedUs, heardUs: this.#heardUs ?? nowUs() }, later) });
  }

  async #finish(status: FioExitStatus): Promise<FioReading> {
    const { id, runner, runDir, emit, capabilities, devices } = this.#options;
    const trouble: string[] = [];
    const attempt = async (what: string, act: () => Promise<void>): Promise<void> => {
      await act().catch((error: unknown) => {
        trouble.push(`${what}: ${messageOf(error)}`);
      });
    };
    // A node that is gone by now must not hide how fio ended: the checkers find what is missing.
    await attempt('the clocks could not be compared again', async () => this.#announceClock(await runner.clock()));
    await attempt('its files could not be fetched', () => runner.collect(this.#dir, this.#folder.path));
    await this.#folder.close();
    await attempt('its folder could not be removed', () => runner.removeDir(this.#dir));
    const reading = await readFioProcess(openFioSource(runDir), id, status);
    emit({
      type: 'fio.process', ...id, state: 'ended', dir: fioDir(id), version: capabilities.versionText, devices: { ...devices },
      exitCode: status.code, signal: status.signal, endedBy: this.#endedBy, ...(trouble.length === 0 ? {} : { message: trouble.join('; ') }),
    });
    emit({
      type: 'fio.result', ...id, meaning: reading.meaning, complete: reading.complete, reads: reading.reads, writes: reading.writes, bytesRead: reading.bytesRead, bytesWritten: reading.bytesWritten,
      ioErrors: reading.ioErrors, verifyErrors: reading.verifyErrors, messages: reading.messages.slice(0, messagesMax).map(({ text }) => text.split('\n')[0]!),
    });
    return reading;
  }
}
