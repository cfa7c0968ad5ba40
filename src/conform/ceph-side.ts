import { CephError, CephMonSession, type MonEndpoint } from '../ceph/msgr2/index.js';
import { connectCephMonitor } from '../monitor/ceph-client/index.js';
import { parseNvmeGwShow, type CommandReply } from '../monitor/index.js';
import { nowUs, sleep } from '../util/clock.js';
import { infraError, messageOf } from '../util/errors.js';
import type { GatewaySession, GroupLook, MonitorSide } from './side.js';

export interface CephSideOptions {
  mons: readonly MonEndpoint[];
  /** As which everything is done: commands, and each gateway's session. Needs `mon 'allow *'`, or what `nvme-gw` commands need. */
  entity: string;
  /** Absent: auth none. */
  key?: string;
  pool: string;
  /** paxos_propose_interval of the monitor, milliseconds. */
  proposeMs: number;
  restart?: (downMs: number) => Promise<void>;
  /** Called by `close`, after the last session has ended. */
  closed?: () => Promise<void>;
}

const connectMaxMs = 30_000;
/** Between two looks at the map's epoch. Commits are at least paxos_min_wait (50 ms) apart. */
const pollMs = 25;
/** A gap between two looks that is not worth remembering: pause and round trips. */
const usualGapMs = 80;
/** paxos_min_wait, and a round trip of the commit itself. */
const commitExtraMs = 100;
/** A monitor that answers nothing for so long, and was not told to, is no evidence any more. */
const silenceMaxMs = 20_000;
/** Far more than any blocklist wait of the monitor: a schedule's own end comes first. */
const epochMaxMs = 300_000;

const nowMs = (): number => nowUs() / 1_000;

/** `rest`: all of `nvme-gw show` but the epoch, so that only what has changed is read. */
interface Observed { onLook: (look: GroupLook) => void; last: { epoch: number; rest: string } | undefined }

/** A real ceph-mon. Its gateways are sessions of this process; its states are read with `nvme-gw show`. */
export class CephSide implements MonitorSide {
  readonly name: string;
  readonly commitMs: number;
  readonly restart?: (downMs: number) => Promise<void>;
  readonly #o: CephSideOptions;
  readonly #admin: CephMonSession;
  readonly #observed = new Map<string, Observed>();
  readonly #stopped = new AbortController();
  #polling: Promise<void> | undefined;
  #epoch = 0;
  #lastLookMs: number | undefined;
  /** Gaps that are longer than usual, and when they ended. */
  readonly #gaps: { atMs: number; ms: number }[] = [];
  #excused = false;
  #failure: string | undefined;

  private constructor(o: CephSideOptions, admin: CephMonSession, version: string) {
    this.#o = o;
    this.#admin = admin;
    this.name = version;
    this.commitMs = o.proposeMs + commitExtraMs;
    const { restart } = o;
    if (restart !== undefined) this.restart = (downMs) => this.#restarted(() => restart(downMs));
  }

  /** Rejects with an infra error: CEPH_CONNECT. */
  static async open(o: CephSideOptions): Promise<CephSide> {
    const admin = new CephMonSession(sessionOptions(o));
    try {
      await admin.whenConnected(connectMaxMs);
      const reply = await admin.command({ prefix: 'version', format: 'json' });
      const { version } = JSON.parse(reply.output.toString('utf8')) as { version: string };
      const side = new CephSide(o, admin, /^ceph version (\S+)/.exec(version)?.[0] ?? version);
      side.#polling = side.#poll();
      return side;
    } catch (error) {
      await admin.close();
      const { host, port } = o.mons[0]!;
      throw infraError('CEPH_CONNECT', `cannot use the monitor at ${host}:${port} as ${o.entity}: ${messageOf(error)}`, { cause: error, hint: 'is that its msgr2 port (3300), and is the key the entity’s?' });
    }
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  connect(): GatewaySession {
    const client = connectCephMonitor({ ...sessionOptions(this.#o), ...(this.#admin.fsid === undefined ? {} : { fsid: this.#admin.fsid }) });
    return { client, waitForStoreEpoch: (epoch) => client.waitForOsdEpoch(epoch, epochMaxMs) };
  }

  /** Asks again when the answer was lost with a connection: all commands that are used here can be repeated. */
  async command(command: Record<string, string | number>): Promise<CommandReply> {
    for (;;) {
      try {
        await this.#admin.whenConnected(connectMaxMs);
        const { code, status, output } = await this.#admin.command(command);
        return { code, status, output: output.toString('utf8') };
      } catch (error) {
        if (!(error instanceof CephError) || (error.code !== 'MON_DISCONNECTED' && error.code !== 'MON_NOT_CONNECTED')) throw error;
      }
    }
  }

  observe(group: string, onLook: (look: GroupLook) => void): () => void {
    this.#observed.set(group, { onLook, last: undefined });
    return () => this.#observed.delete(group);
  }

  sampleGapMaxMs(sinceMs: number): number {
    return Math.max(usualGapMs, ...this.#gaps.filter(({ atMs }) => atMs > sinceMs).map(({ ms }) => ms));
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#polling;
    await this.#admin.close();
    await this.#o.closed?.();
  }

  async #restarted(restart: () => Promise<void>): Promise<void> {
    this.#excused = true;
    try {
      await restart();
      await this.#admin.whenConnected(connectMaxMs);
    } finally {
      this.#lastLookMs = undefined;
      this.#excused = false;
    }
  }

  /**
   * Looks at the map's epoch through one group, and at all groups when it has moved. The epoch moves with every
   * commit: so it is known, and not guessed, whether a look came too late to see one.
   */
  async #poll(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const probe = [...this.#observed.keys()][0];
      if (probe === undefined) this.#lastLookMs = undefined;
      else await this.#round(probe);
      await sleep(pollMs, this.#stopped.signal);
    }
  }

  async #round(probe: string): Promise<void> {
    try {
      const epoch = await this.#show(probe);
      const fresh = [...this.#observed.values()].some(({ last }) => last === undefined);
      if (epoch !== this.#epoch || fresh) {
        this.#epoch = epoch;
        await Promise.all([...this.#observed.keys()].map((group) => this.#show(group)));
      }
      const atMs = nowMs();
      if (this.#lastLookMs !== undefined && atMs - this.#lastLookMs > usualGapMs) this.#gaps.push({ atMs, ms: atMs - this.#lastLookMs });
      this.#lastLookMs = atMs;
    } catch (error) {
      if (!this.#excused && this.#lastLookMs !== undefined && nowMs() - this.#lastLookMs > silenceMaxMs) {
        this.#failure ??= `the monitor has not answered for ${silenceMaxMs / 1_000} s: ${messageOf(error)}`;
      }
    }
  }

  /** Looks at one group; resolves with the map's epoch. */
  async #show(group: string): Promise<number> {
    const { code, status, output } = await this.#admin.command({ prefix: 'nvme-gw show', pool: this.#o.pool, group, format: 'json' });
    if (code !== 0) throw infraError('CEPH_COMMAND', `nvme-gw show: ${code} ${status}`);
    const text = output.toString('utf8');
    const epoch = Number(/"epoch":(\d+)/.exec(text)?.[1]);
    const observed = this.#observed.get(group);
    // Answers are not reordered within a session, but a monitor that was away may have an older map.
    if (observed === undefined || epoch < (observed.last?.epoch ?? 0)) return epoch;
    const rest = text.replace(/"epoch":\d+/, '');
    if (observed.last?.rest !== rest) {
      const missed = observed.last !== undefined && epoch > observed.last.epoch + 1;
      const { gwEpoch, gateways } = parseNvmeGwShow(text);
      observed.onLook({ nowMs: nowMs(), epoch, gwEpoch, gateways, missed });
    }
    observed.last = { epoch, rest };
    return epoch;
  }
}

function sessionOptions({ mons, entity, key }: CephSideOptions): { mons: readonly MonEndpoint[]; entity: string; key?: string } {
  return { mons, entity, ...(key === undefined ? {} : { key }) };
}
