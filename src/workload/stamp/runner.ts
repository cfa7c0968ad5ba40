import { setMaxListeners } from 'node:events';
import { opBlocksMax } from '../../history/index.js';
import type { JournalHeader, JournalWriter } from '../../history/index.js';
import type { StampWorkload } from '../../plan/types.js';
import { nowUs, settlesWithin } from '../../util/clock.js';
import { usageError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import type { BlockDevice } from '../device.js';
import { IoStats, statsPeriodMs } from '../io-stats.js';
import type { IoStatsEvent, IoTotals } from '../io-stats.js';
import { JournaledIo } from '../journaled-io.js';
import { ClosedLoop, Prober } from './namespace-load.js';
import type { NamespaceDriver } from './namespace-load.js';
import { auditAll } from './audit.js';
import { rereadAll } from './reread.js';
import type { RereadEvent, RereadPass, RereadResult } from './reread.js';

/** How long `stop` waits for outstanding operations before it aborts them, unless the caller knows better. */
export const drainMaxMs = 10_000;
/** How long an aborted operation may take to say so; after that it stays without an end. */
export const abortMaxMs = 1_000;

export interface StampRunnerOptions {
  /** Name of the host, for its events. */
  host: string;
  runId: string;
  seed: string;
  /** 0 … 8191, different for each host of a run. */
  writer: number;
  workload: StampWorkload;
  /** In the order of the journal header's namespaces. */
  devices: readonly BlockDevice[];
  /** UUIDs of the namespaces that are only probed. */
  idleUuids?: ReadonlySet<string>;
  journal: JournalWriter;
  onStats?: (event: IoStatsEvent) => void;
  onReread?: (event: RereadEvent) => void;
  onDeviceError?: (error: unknown) => void;
  /** Operations that wait for a path of this namespace, for the statistics. */
  queuedOf?: (device: BlockDevice) => number;
  drainMaxMs?: number;
}

export interface NamespaceTotals extends IoTotals {
  nsUuid: string;
  nsid: number;
  inflight: number;
}

/** The header of the journal that belongs to these devices, in this order. */
export function journalHeaderOf(runId: string, host: string, writer: number, devices: readonly BlockDevice[]): JournalHeader {
  const namespaces = devices.map(({ uuid, nsid, blockSize, blocks }) => ({ uuid, nsid, blockSize, blocks }));
  return { format: 1, runId, host, writer, namespaces };
}

/**
 * The stamp workload of one host: a closed loop per namespace, probes of the idle ones, and the re-reads
 * afterwards. What each namespace is asked for follows from the seed; how the namespaces interleave
 * follows from the system under test.
 */
export class StampRunner {
  readonly #options: StampRunnerOptions;
  readonly #io: JournaledIo;
  readonly #stats: IoStats[];
  readonly #drivers: NamespaceDriver[];
  /** Ends the load's operations, and those of re-reads. */
  readonly #abort = new AbortController();
  readonly #closing = new AbortController();
  #statsTimer: NodeJS.Timeout | undefined;
  #state: 'new' | 'running' | 'stopped' | 'closed' = 'new';

  /** Throws a usage error (WORKLOAD_INVALID) for a workload that the devices cannot carry. */
  constructor(options: StampRunnerOptions) {
    const { devices, workload } = options;
    for (const device of devices) checkWorkload(workload, device);
    this.#options = options;
    // Every operation listens to it; there is no leak to be warned of.
    setMaxListeners(0, this.#abort.signal, this.#closing.signal);
    const startUs = nowUs();
    this.#stats = devices.map(() => new IoStats(startUs));
    this.#io = new JournaledIo({
      devices, runId: options.runId, writer: options.writer, journal: options.journal,
      ...(options.onDeviceError === undefined ? {} : { onDeviceError: options.onDeviceError }),
      observer: {
        started: (ns) => void this.#stats[ns]!.inflight++,
        ended: (ns, what, bytes, outcome, latencyUs) => {
          this.#stats[ns]!.inflight--;
          this.#stats[ns]!.ended(what, bytes, outcome, latencyUs);
        },
      },
    });
    const random = new Random(options.seed).fork('stamp').fork(options.host);
    this.#drivers = devices.map((device, ns) => {
      const context = {
        io: this.#io, ns, device, workload, blocks: this.#blocksOf(device),
        random: random.fork(device.uuid), signal: this.#abort.signal,
      };
      return options.idleUuids?.has(device.uuid) === true ? new Prober(context) : new ClosedLoop(context);
    });
  }

  /** Begins. Resolves once the idle namespaces are filled, or the load was stopped before. Throws if it was started before. */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error(`the load cannot start: it is ${this.#state}`);
    this.#state = 'running';
    const startUs = nowUs();
    for (const stats of this.#stats) stats.skip(startUs);
    this.#statsTimer = setInterval(() => this.#report(), statsPeriodMs);
    await Promise.all(this.#drivers.map((driver) => driver.start()));
  }

  /**
   * Issues nothing more and waits for what is outstanding, up to `drainMaxMs`; then aborts it, which
   * leaves its outcome unknown. Safe to call twice.
   */
  async stop(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'stopped';
    for (const driver of this.#drivers) driver.stop();
    await this.#drain();
    clearInterval(this.#statsTimer);
    this.#report();
  }

  /**
   * Reads every block of the working set of every namespace, the idle ones too. `controller`: through
   * that controller only. What could not be read is in `problems`. Rejects only while the load runs,
   * whose writes would race with it for the working set, or after `close`.
   */
  async reread(pass: RereadPass, options: { controller?: string } = {}): Promise<RereadResult> {
    if (this.#state === 'running' || this.#state === 'closed') throw new Error(`no re-read now: the load is ${this.#state}`);
    const { devices, onReread } = this.#options;
    const targets = devices.map((device, ns) => ({ ns, device, blocks: this.#blocksOf(device) }));
    const result = await rereadAll(this.#io, targets, pass, {
      ...options, signal: this.#closing.signal, ...(onReread === undefined ? {} : { onEvent: onReread }),
    });
    this.#report();
    return result;
  }

  /** Reads on paths that have to refuse it; see audit.ts. `controllersOf`: the controllers of a device that are to be asked. */
  async audit(controllersOf: (device: BlockDevice) => readonly string[]): Promise<{ answered: number; refused: number }> {
    if (this.#state === 'running' || this.#state === 'closed') throw new Error(`no audit now: the load is ${this.#state}`);
    const paths = this.#options.devices.flatMap((device, ns) => controllersOf(device).map((controller) => ({ ns, device, blocks: this.#blocksOf(device), controller })));
    const result = await auditAll(this.#io, paths, this.#closing.signal);
    this.#report();
    return result;
  }

  /** Totals since the start, one entry per namespace in the order of the devices. */
  stats(): NamespaceTotals[] {
    return this.#options.devices.map((device, ns) => ({
      nsUuid: device.uuid, nsid: device.nsid, inflight: this.#stats[ns]!.inflight, ...this.#stats[ns]!.totals,
    }));
  }

  /**
   * Ends everything now: outstanding operations are aborted, and nothing is journaled any more, so that
   * the journal may then be closed. After `stop` there is nothing left to abort.
   */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#statsTimer);
    for (const driver of this.#drivers) driver.stop();
    this.#abort.abort();
    this.#closing.abort();
    await settlesWithin(this.#io.whenIdle(), abortMaxMs);
    this.#report();
    this.#io.detach();
  }

  async #drain(): Promise<void> {
    if (await settlesWithin(this.#io.whenIdle(), this.#options.drainMaxMs ?? drainMaxMs)) return;
    this.#abort.abort();
    await settlesWithin(this.#io.whenIdle(), abortMaxMs);
  }

  /** While the load runs every namespace is reported, also with nothing in its window: silence is information. */
  #report(): void {
    const toUs = nowUs();
    this.#options.devices.forEach((device, ns) => {
      const stats = this.#stats[ns]!;
      if (this.#state !== 'running' && stats.quiet) stats.skip(toUs);
      else this.#options.onStats?.(stats.report(toUs, this.#options.host, device.uuid, device.nsid, this.#options.queuedOf?.(device) ?? 0));
    });
  }

  #blocksOf(device: BlockDevice): number {
    return Math.min(this.#options.workload.workingSetBlocks, device.blocks);
  }
}

function checkWorkload(workload: StampWorkload, device: BlockDevice): void {
  const blocks = Math.min(workload.workingSetBlocks, device.blocks);
  const refuse = (text: string): never => {
    throw usageError('WORKLOAD_INVALID', `${text} (namespace ${device.nsid}: ${device.blocks} blocks of ${device.blockSize} bytes)`);
  };
  if (!Number.isInteger(workload.queueDepth) || workload.queueDepth < 1) refuse(`queueDepth ${workload.queueDepth} is no positive integer`);
  if (!Number.isInteger(blocks) || blocks < 1) refuse(`workingSetBlocks ${workload.workingSetBlocks} is no positive integer`);
  if (workload.ioBytes.length === 0) refuse('ioBytes is empty');
  for (const bytes of workload.ioBytes) {
    const nlb = bytes / device.blockSize;
    if (!Number.isInteger(nlb) || nlb < 1 || nlb > opBlocksMax) refuse(`ioBytes ${bytes} is not 1 to ${opBlocksMax} blocks`);
    if (bytes > (device.transferMaxBytes ?? Infinity)) refuse(`ioBytes ${bytes} is more than the ${device.transferMaxBytes} bytes that the controllers take at once`);
    if (nlb > blocks) refuse(`ioBytes ${bytes} is more than the working set of ${blocks} blocks`);
  }
}
