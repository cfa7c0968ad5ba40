import type { EventBody } from '../history/events.js';
import type { FioNode, Lab } from '../lab/types.js';
import { boundMs } from '../plan/bounds.js';
import { fioBytesPerSecondMin } from '../plan/fio.js';
import type { Plan } from '../plan/types.js';
import { infraError } from '../util/errors.js';

/**
 * The fio jobs of a run around its load. Without jobs in the plan every method does nothing. A host that hangs is a
 * finding and no reason to wait for ever: each wait has a limit, and what is over it is killed and noted.
 */
export class RunFio {
  /** Of the hosts that have jobs. */
  readonly #nodes: readonly FioNode[];
  readonly #plan: Plan;
  readonly #emit: (event: EventBody) => void;

  /** Throws an infra error when the plan has fio jobs on a host of the lab that cannot run any. */
  constructor(plan: Plan, lab: Lab, emit: (event: EventBody) => void) {
    this.#plan = plan;
    this.#emit = emit;
    this.#nodes = [...new Set((plan.fio ?? []).map(({ host }) => host))].map((host) => {
      const node = lab.hosts.get(host)?.fio;
      if (node === undefined) throw infraError('NO_FIO', `the plan has fio jobs, but ${host} of the ${plan.lab} lab cannot run fio`, { hint: 'Run it on a lab whose hosts have block devices of the kernel.' });
      return node;
    });
  }

  get wanted(): boolean {
    return this.#nodes.length > 0;
  }

  async prepare(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.prepare(this.#wholeMs(1))));
  }

  /** Resolves when every job does I/O. */
  async start(): Promise<void> {
    const limitMs = boundMs(this.#plan.bounds, 'homeAwait');
    const inTime = await Promise.all(this.#nodes.map((node) => node.start(limitMs)));
    if (inTime.includes(false)) this.#emit({ type: 'log', level: 'warn', message: `fio showed no I/O within ${limitMs} ms` });
  }

  /** Waits for the jobs that end by themselves. */
  async finish(): Promise<void> {
    const passes = Math.max(1, ...(this.#plan.fio ?? []).map(({ end }) => (end.by === 'passes' ? end.count : 1)));
    // Each pass writes the region and reads it back.
    await Promise.all(this.#nodes.map((node) => node.finish(this.#wholeMs(2 * passes))));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  async verify(): Promise<void> {
    const limitMs = this.#wholeMs(1);
    const inTime = await Promise.all(this.#nodes.map((node) => node.verify(limitMs)));
    if (inTime.includes(false)) this.#emit({ type: 'log', level: 'warn', message: `fio's verification was given up after ${limitMs} ms` });
  }

  async kill(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
  }

  /** How long all regions may take `times` over, milliseconds: a failover may lie in between. */
  #wholeMs(times: number): number {
    const bytes = (this.#plan.fio ?? []).flatMap(({ sections }) => sections).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return boundMs(this.#plan.bounds, 'homeAwait') + Math.ceil((times * bytes * 1_000) / fioBytesPerSecondMin);
  }
}
