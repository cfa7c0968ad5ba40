import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { JournalWriter } from '../../history/index.js';
import { AlignedPool, KernelHost, samplerThread } from '../../initiator/kernel/index.js';
import type { KernelBlockDevice, SamplerLoopOptions } from '../../initiator/kernel/index.js';
import { namespacesOf } from '../../plan/hosts.js';
import type { PathPolicy, Plan } from '../../plan/types.js';
import { ownNowUs } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { journalHeaderOf, StampRunner } from '../../workload/stamp/index.js';
import type { NamespaceTotals, RereadResult } from '../../workload/stamp/index.js';
import type { MemberContext } from '../member/protocol.js';
import { hostConfigSchema, hostJournalPath, hostRequests, operationBytesMax, outstandingMax, threadsProblem } from './host-config.js';
import type { HostGuestConfig } from './host-config.js';
import { runGuestMember } from './member.js';

/** What belongs to one run. */
interface HostRun {
  runner: StampRunner;
  journal: JournalWriter;
  devices: KernelBlockDevice[];
}

/** libuv's own default. */
const defaultThreads = 4;

/**
 * The Linux kernel's multipath host and its workload. It outlives runs: a lab that comes back from a snapshot
 * has it running and connected; `begin` and `finish` enclose a run.
 */
class GuestHost {
  readonly #name: string;
  readonly #context: MemberContext;
  readonly #host: KernelHost;
  #run: HostRun | undefined;
  /** Closed, with operations that the kernel still has. */
  #lingering: KernelBlockDevice[] = [];
  #closed: Promise<void> | undefined;

  constructor(config: HostGuestConfig, context: MemberContext) {
    this.#name = config.name;
    this.#context = context;
    this.#host = new KernelHost({
      ...config, samplerEntry: new URL(import.meta.url),
      emit: (event) => context.emit(event),
      log: (line) => this.#warn(line),
      onBlind: (error) => this.#evidenceLost(`the sampler of the paths ended: ${error.message}`),
    });
  }

  /** Connects what is missing, waits for a usable path to each of these namespaces, and reports what went wrong on the way. */
  async connect(namespaces: readonly string[], policy?: PathPolicy): Promise<{ problems: string[] }> {
    const { problems } = await this.#host.connect(namespaces, policy === undefined ? {} : { policy });
    for (const problem of problems) this.#warn(problem);
    return { problems };
  }

  /** A new journal and a new workload on those of the plan's namespaces that are this host's. What an earlier run has left behind is ended first. */
  async begin(runId: string, plan: Plan): Promise<{ journal: string }> {
    await this.#endRun();
    // They may still write, into this run's blocks.
    const hung = this.#hung();
    if (hung > 0) throw infraError('HOST_IO_HUNG', `${hung} operations of an earlier run are still with the kernel`, { hint: 'disconnect the host: they end with their controllers' });
    const { topology, workload } = plan;
    const own = namespacesOf(topology, this.#name);
    const problem = threadsProblem(workload, own.length, Number(process.env['UV_THREADPOOL_SIZE'] ?? defaultThreads));
    if (problem !== undefined) throw infraError('HOST_THREADS', problem);
    const path = hostJournalPath(this.#name);
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    const pool = new AlignedPool(outstandingMax(workload, own.length), operationBytesMax(workload));
    const devices: KernelBlockDevice[] = [];
    let journal: JournalWriter | undefined;
    try {
      for (const head of this.#host.heads(own.map(({ uuid }) => uuid))) devices.push(this.#host.open(head, pool));
      // A version must name its writer, and 0 stands for none.
      const writer = topology.hosts.findIndex((host) => host.name === this.#name) + 1;
      journal = JournalWriter.open(path, journalHeaderOf(runId, this.#name, writer, devices), { onError: (error) => this.#evidenceLost(error.message) });
      const runner = new StampRunner({
        host: this.#name, runId, seed: plan.seed, writer, workload, devices, journal,
        idleUuids: new Set(own.filter(({ idle }) => idle).map(({ uuid }) => uuid)),
        onStats: (event) => this.#context.emit({ ...event, tUs: event.toUs }),
        onReread: (event) => this.#context.emit(event),
        onDeviceError: (error) => this.#context.log(`a block device threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
        queuedOf: (device) => (this.#host.usable(device.uuid) ? 0 : (device as KernelBlockDevice).outstanding),
      });
      this.#run = { runner, journal, devices };
    } catch (error) {
      journal?.close();
      for (const device of devices) device.close();
      throw error;
    }
    // What was seen before is no part of this run.
    await this.#host.flush();
    return { journal: path };
  }

  /** The multipath head of a namespace, for programs that do I/O of their own. */
  device(uuid: string): { path: string } {
    return { path: this.#host.devicePath(this.#host.heads([uuid])[0]!) };
  }

  inventory(label: string): Promise<void> {
    return this.#host.inventory(label);
  }

  startLoad(): Promise<void> {
    return this.#running().runner.start();
  }

  async stopLoad(): Promise<void> {
    await this.#running().runner.stop();
    this.#host.emitCounters();
  }

  async reread(pass: 'at-once' | 'delayed'): Promise<RereadResult> {
    const result = await this.#running().runner.reread(pass);
    for (const problem of result.problems) this.#warn(`re-read ${pass}: ${problem}`);
    return result;
  }

  counters(): Record<string, number> {
    return this.#host.emitCounters();
  }

  stats(): NamespaceTotals[] {
    return this.#run?.runner.stats() ?? [];
  }

  /** Ends the run and closes its journal. `bytes`: its length, so that whoever copies it knows when it has all; `hung`: operations that the kernel still has. */
  async finish(): Promise<{ journal: string; bytes: number; hung: number }> {
    const { journal } = this.#running();
    await this.#endRun();
    return { journal: hostJournalPath(this.#name), bytes: journal.bytes, hung: this.#hung() };
  }

  async disconnect(): Promise<{ problems: string[] }> {
    return this.#host.disconnect();
  }

  announce(): void {
    this.#host.announce();
  }

  /** The journal first, so that it is whole even if something else hangs. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#endRun();
      await this.#host.close();
    })();
    return this.#closed;
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    await run.runner.close();
    run.journal.close();
    for (const device of run.devices) device.close();
    this.#lingering.push(...run.devices);
  }

  #hung(): number {
    this.#lingering = this.#lingering.filter(({ outstanding }) => outstanding > 0);
    return this.#lingering.reduce((sum, { outstanding }) => sum + outstanding, 0);
  }

  #running(): HostRun {
    if (this.#run === undefined) throw new Error('no run has begun');
    return this.#run;
  }

  #warn(message: string): void {
    this.#context.log(message);
    this.#context.emit({ type: 'log', level: 'warn', message: `${this.#name}: ${message}` });
  }

  /** Without its evidence nothing can be proved: the lab has to end, with the reason as the last line of this member's log. */
  #evidenceLost(reason: string): void {
    this.#context.log(reason);
    process.exit(1);
  }
}

if (isMainThread) {
  runGuestMember<HostGuestConfig>('host', async (rawConfig, context) => {
    const member = new GuestHost(hostConfigSchema.parse(rawConfig), context);
    return {
      info: {},
      handlers: {
        connect: (p: unknown) => {
          const { namespaces, policy } = hostRequests.connect.parse(p);
          return member.connect(namespaces, policy);
        },
        begin: (p: unknown) => {
          const { runId, plan } = hostRequests.begin.parse(p);
          return member.begin(runId, plan);
        },
        device: (p: unknown) => member.device(hostRequests.device.parse(p).uuid),
        clocks: () => ({ ownUs: ownNowUs(), realtimeUs: Date.now() * 1_000 }),
        inventory: (p: unknown) => member.inventory(hostRequests.label.parse(p).label),
        startLoad: () => member.startLoad(),
        stopLoad: () => member.stopLoad(),
        reread: (p: unknown) => member.reread(hostRequests.reread.parse(p).pass),
        counters: () => member.counters(),
        stats: () => member.stats(),
        finish: () => member.finish(),
        disconnect: () => member.disconnect(),
      },
      stop: () => member.close(),
      announce: () => member.announce(),
    };
  });
} else {
  // The same file as the thread of its sampler.
  samplerThread(workerData as SamplerLoopOptions, parentPort!);
}
