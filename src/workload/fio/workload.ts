import type { EventBody } from '../../history/events.js';
import type { FioJobPlan, FioPhaseName } from '../../plan/fio.js';
import { settlesWithin } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { buildPhase } from './build.js';
import { detectCapabilities, type FioCapabilities } from './capabilities.js';
import { FioProcess } from './process.js';
import type { FioRunner } from './runner.js';

export interface FioWorkloadOptions {
  host: string;
  /** The jobs of this host. */
  jobs: readonly FioJobPlan[];
  runner: FioRunner;
  /** The multipath head of a namespace on the host: `/dev/nvme0n1`. */
  device: (nsid: number, uuid: string) => Promise<string>;
  runDir: string;
  /** Takes events as the host's. */
  emit: (event: EventBody) => void;
  /** Default: `fio`. */
  binary?: string;
}

/** After SIGINT fio waits for what is outstanding; a process that does not end within this is killed, milliseconds. */
export const stopLimitMs = 30_000;

/**
 * The fio jobs of one host through a run: `prepare` (find out what this fio can do, prefill), `start`, `finish` and `stop` around
 * the load, `verify` at the end, and `kill` whenever the run ends early. Whatever fio finds is no error here: it is in
 * the events and artifacts, and the checker `fio` judges it.
 *
 * A method rejects with an infra error when there is no fio on the host, or the host cannot be reached.
 */
export class FioWorkload {
  readonly #options: FioWorkloadOptions;
  readonly #running = new Set<FioProcess>();
  #capabilities: FioCapabilities | undefined;
  #devices = new Map<number, string>();
  #main: { job: FioJobPlan; process: FioProcess }[] = [];
  #killed = false;

  constructor(options: FioWorkloadOptions) {
    this.#options = options;
  }

  get capabilities(): FioCapabilities | undefined {
    return this.#capabilities;
  }

  /** Asks fio what it is, looks the devices up, and writes sound blocks where jobs verify: before any fault, so that a failure of it is the lab's. */
  async prepare(prefillLimitMs: number): Promise<void> {
    const { jobs, device } = this.#options;
    this.#capabilities = await this.#detect();
    for (const { nsid, uuid } of jobs.flatMap(({ sections }) => sections)) {
      if (!this.#devices.has(nsid)) this.#devices.set(nsid, await device(nsid, uuid));
    }
    const prefills: FioProcess[] = [];
    for (const job of jobs) if (job.phases.includes('prefill') && !this.#killed) prefills.push(await this.#launch(job, 'prefill'));
    await Promise.all(prefills.map(async (process) => {
      if (await settlesWithin(process.done, prefillLimitMs)) return;
      await process.kill();
      await process.done;
      throw infraError('FIO_PREFILL', `fio did not fill its region on ${this.#options.host} within ${prefillLimitMs} ms, before any fault`);
    }));
  }

  /** Starts the main phase of every job; resolves when all of them have done I/O. False: one had not within `limitMs`; it goes on. */
  async start(limitMs: number): Promise<boolean> {
    for (const job of this.#options.jobs) {
      if (!this.#killed) this.#main.push({ job, process: await this.#launch(job, 'main') });
    }
    return settlesWithin(Promise.all(this.#main.map(({ process }) => process.busy)), limitMs);
  }

  /** Waits for the jobs that end by themselves: for their runtime, or for `passesLimitMs`. What does not end in time goes on. */
  async finish(passesLimitMs: number): Promise<void> {
    await Promise.all(this.#main.map(async ({ job, process }) => {
      if (job.end.by !== 'load') await settlesWithin(process.done, job.end.by === 'time' ? job.end.ms + stopLimitMs : passesLimitMs);
    }));
  }

  /** Stops the jobs that go on until the load ends; waits a little more for the others. What does not end in time is killed. */
  async stop(): Promise<void> {
    await Promise.all(this.#main.map(async ({ job, process }) => {
      if (job.end.by === 'load') await process.stop();
      if (!(await settlesWithin(process.done, stopLimitMs))) await process.kill();
      await process.done;
    }));
  }

  /** Reads the whole region of every job that verifies. False: it took longer than `limitMs` and was killed. */
  async verify(limitMs: number): Promise<boolean> {
    let inTime = true;
    const jobs = this.#options.jobs.filter(({ phases }) => phases.includes('verify'));
    await Promise.all(jobs.map(async (job) => {
      if (this.#killed) return;
      const process = await this.#launch(job, 'verify');
      if (await settlesWithin(process.done, limitMs)) return;
      inTime = false;
      await process.kill();
      await process.done;
    }));
    return inTime;
  }

  /** Ends whatever runs, at once, and stores what is there. Nothing starts afterwards. */
  async kill(): Promise<void> {
    this.#killed = true;
    await Promise.allSettled([...this.#running].map(async (process) => {
      await process.kill();
      await process.done;
    }));
  }

  async #detect(): Promise<FioCapabilities> {
    const { runner, host, binary = 'fio' } = this.#options;
    const version = await runner.exec([binary, '--version']);
    const help = await runner.exec([binary, '--cmdhelp=all']);
    if (version.code !== 0 || help.code !== 0) {
      throw infraError('NO_FIO', `${host}: \`${binary} --version\` ended with ${version.signal ?? `code ${version.code}`}`, { hint: 'Is fio installed on the host?', details: version.stderr.split('\n').filter((line) => line !== '').slice(0, 5) });
    }
    return detectCapabilities(version.stdout, help.stdout);
  }

  async #launch(job: FioJobPlan, phase: FioPhaseName): Promise<FioProcess> {
    const { host, runner, runDir, emit, binary = 'fio' } = this.#options;
    const capabilities = this.#capabilities;
    if (capabilities === undefined) throw new Error('prepare() comes first');
    const process = await FioProcess.start({
      id: { host, job: job.name, phase }, command: buildPhase(job, phase, this.#devices, capabilities), binary, capabilities, runner, runDir, emit,
      devices: Object.fromEntries(job.sections.map(({ nsid }) => [String(nsid), this.#devices.get(nsid)!])),
    });
    this.#running.add(process);
    void process.done.catch(() => undefined).then(() => this.#running.delete(process));
    if (this.#killed) await process.kill();
    return process;
  }
}
