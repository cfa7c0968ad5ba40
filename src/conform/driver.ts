import { nowUs, sleep } from '../util/clock.js';
import { messageOf } from '../util/errors.js';
import { Incarnation } from './gateway.js';
import { stepText, type Condition, type Schedule, type ScheduleStep } from './schedule.js';
import type { GroupLook, MonitorSide } from './side.js';
import type { StallWatch } from './stall-watch.js';
import type { ExecutedStep, Snapshot, ToldToServe, Trace } from './trace.js';

export interface DriveOptions {
  pool: string;
  /** The gateway group of this run: no other schedule may use it at the same time. */
  group: string;
  stalls: StallWatch;
  signal?: AbortSignal;
}

/** For the traces of deleted gateways: they are gone when the monitor drops their record. */
const cleanupMaxMs = 10_000;

const nowMs = (): number => nowUs() / 1_000;

/** Walks a schedule on one monitor and keeps what the monitor showed. Never rejects for what the monitor does. */
export async function drive(schedule: Schedule, side: MonitorSide, o: DriveOptions): Promise<Trace> {
  return new Drive(schedule, side, o).run();
}

class Drive {
  readonly #schedule: Schedule;
  readonly #side: MonitorSide;
  readonly #o: DriveOptions;
  readonly #startMs = nowMs();
  readonly #gateways = new Map<string, Incarnation>();
  readonly #retired: Incarnation[] = [];
  readonly #known = new Set<string>();
  readonly #steps: ExecutedStep[] = [];
  readonly #snapshots: Snapshot[] = [];
  readonly #promotions: ToldToServe[] = [];
  /** Called with each new snapshot. */
  #waiting: () => void = () => undefined;
  #missedCommits = 0;
  #stuckAt: number | undefined;
  #broken: string | undefined;

  constructor(schedule: Schedule, side: MonitorSide, o: DriveOptions) {
    this.#schedule = schedule;
    this.#side = side;
    this.#o = o;
  }

  async run(): Promise<Trace> {
    let unobserve: () => void = () => undefined;
    try {
      for (const gateway of this.#schedule.gateways) await this.#command('create', gateway);
      unobserve = this.#side.observe(this.#o.group, (look) => this.#look(look));
      await this.#walk();
    } catch (error) {
      this.#broken = messageOf(error);
    }
    const endMs = this.#elapsedMs();
    unobserve();
    await this.#cleanUp();
    this.#broken ??= this.#side.failure;
    return {
      side: this.#side.name, steps: this.#steps, snapshots: this.#snapshots, promotions: this.#promotions, missedCommits: this.#missedCommits, endMs,
      sampleGapMaxMs: Math.round(this.#side.sampleGapMaxMs(this.#startMs)), stallMaxMs: Math.round(this.#o.stalls.maxMs(this.#startMs)),
      ...(this.#stuckAt === undefined ? {} : { stuckAt: this.#stuckAt }),
      ...(this.#broken === undefined ? {} : { broken: this.#broken }),
    };
  }

  async #walk(): Promise<void> {
    for (const [index, step] of this.#schedule.steps.entries()) {
      if (this.#o.signal?.aborted === true) throw new Error('interrupted');
      const executed: ExecutedStep = { index, text: stepText(step), atMs: this.#elapsedMs() };
      // Waiting is no deed: what is compared is the time since something was done.
      if (step.do !== 'run' && step.do !== 'until' && step.do !== 'begin') this.#steps.push(executed);
      const code = await this.#execute(step);
      if (code !== undefined) executed.code = code;
      if (step.do === 'until' && !this.#holds(step.is)) {
        this.#stuckAt = index;
        return;
      }
      if (this.#side.failure !== undefined) throw new Error(this.#side.failure);
    }
  }

  async #execute(step: ScheduleStep): Promise<number | undefined> {
    switch (step.do) {
      case 'run': await sleep(step.ms, this.#o.signal); return undefined;
      case 'begin':
        this.#snapshots.splice(0, this.#snapshots.length - 1);
        this.#promotions.length = 0;
        return undefined;
      case 'until': await this.#until(step.is, step.withinMs); return undefined;
      case 'start': await this.#start(step); return undefined;
      case 'kill': await this.#kill(step.gateway); return undefined;
      case 'create': case 'delete': case 'disable': case 'enable': return this.#command(step.do, step.gateway);
      case 'locate': return this.#command('set-location', step.gateway, { location: step.location });
      case 'restart-monitor':
        if (this.#side.restart === undefined) throw new Error('this monitor cannot be restarted');
        await this.#side.restart(step.downMs);
        return undefined;
      default: {
        const running = this.#gateways.get(step.gateway);
        if (running === undefined) throw new Error(`${step.do}: ${step.gateway} does not run`);
        await running.apply(step);
        return undefined;
      }
    }
  }

  async #start({ gateway, ...step }: Extract<ScheduleStep, { do: 'start' }>): Promise<void> {
    await this.#kill(gateway);
    const anaGroups = this.#schedule.gateways.map((_, i) => i + 1);
    this.#gateways.set(gateway, new Incarnation(this.#side.connect(gateway), {
      id: gateway, pool: this.#o.pool, group: this.#o.group, anaGroups, start: step,
      onPromotion: ({ group, osdEpoch }) => this.#promotions.push({ atMs: this.#elapsedMs(), gateway, group, waits: osdEpoch !== 0 }),
    }));
  }

  async #kill(gateway: string): Promise<void> {
    const running = this.#gateways.get(gateway);
    if (running === undefined) return;
    this.#gateways.delete(gateway);
    this.#retired.push(running);
    await running.kill();
  }

  async #command(what: string, gateway: string, more: Record<string, string> = {}): Promise<number> {
    if (what === 'create') this.#known.add(gateway);
    const { code } = await this.#side.command({ prefix: `nvme-gw ${what}`, id: gateway, pool: this.#o.pool, group: this.#o.group, ...more });
    return code;
  }

  async #until(condition: Condition, withinMs: number): Promise<void> {
    const over = new AbortController();
    this.#waiting = () => {
      if (this.#holds(condition)) over.abort();
    };
    const aborted = (): void => over.abort();
    this.#o.signal?.addEventListener('abort', aborted, { once: true });
    this.#waiting();
    await sleep(withinMs, over.signal);
    this.#o.signal?.removeEventListener('abort', aborted);
    this.#waiting = () => undefined;
  }

  #holds(condition: Condition): boolean {
    const gateway = this.#snapshots.at(-1)?.gateways.find(({ id }) => id === condition.gateway);
    if (gateway === undefined) return false;
    return 'availability' in condition ? gateway.availability === condition.availability : gateway.states[condition.group] === condition.state;
  }

  #look({ nowMs: atMs, epoch, gwEpoch, gateways, missed }: GroupLook): void {
    if (missed) this.#missedCommits += 1;
    const last = this.#snapshots.at(-1);
    if (last !== undefined && JSON.stringify(last.gateways) === JSON.stringify(gateways)) return;
    this.#snapshots.push({ atMs: Math.round(atMs - this.#startMs), epoch, gwEpoch, gateways });
    this.#waiting();
  }

  /** Takes every gateway out of the monitor again: with the last one the group is gone. */
  async #cleanUp(): Promise<void> {
    const all = [...this.#gateways.keys()];
    await Promise.all(all.map((gateway) => this.#kill(gateway)));
    const deleted = Promise.all([...this.#known].map((gateway) => this.#command('delete', gateway)));
    await Promise.race([deleted.catch(() => undefined), sleep(cleanupMaxMs)]);
  }

  #elapsedMs(): number {
    return Math.round(nowMs() - this.#startMs);
  }
}
