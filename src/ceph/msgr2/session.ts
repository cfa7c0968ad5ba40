import { randomBytes } from 'node:crypto';
import { addressText } from './address.js';
import type { EntityAddress } from './address.js';
import { ConMode } from './control.js';
import { parseEntityName } from './cephx.js';
import type { MonConnection, MonEndpoint } from './connection.js';
import { CephError } from './errors.js';
import { MonCandidates } from './candidates.js';
import { MonHunter } from './hunter.js';
import { parseKey } from './keyring.js';
import { Limit, Timer } from './limits.js';
import { MessageType } from './message.js';
import type { Message } from './message.js';
import { fsidText, msgr2Endpoints, parseFsid } from './mon-map.js';
import { monCommand, monCommandAck, monGetVersion, monGetVersionReply, monMapMessage, monSubscribe, osdMapMessage } from './mon-messages.js';
import type { MonCommandReply, Subscription, VersionReply } from './mon-messages.js';
import { OsdEpochWatch } from './osd-epoch.js';
import { OpenRequests } from './requests.js';

/** `crc` and `secure` insist; the others take what the monitor allows. Secure needs cephx. */
export type ModeChoice = 'crc' | 'secure' | 'prefer-crc' | 'prefer-secure';

const modeLists: Record<ModeChoice, readonly number[]> = {
  crc: [ConMode.crc],
  secure: [ConMode.secure],
  'prefer-crc': [ConMode.crc, ConMode.secure],
  'prefer-secure': [ConMode.secure, ConMode.crc],
};

const monMapSubscription: Subscription = { what: 'monmap', start: 0n, onetime: false };

/** All times are milliseconds; the defaults are in limits.ts, `Timer`. */
export interface SessionTimers {
  huntMs?: number;
  keepaliveMs?: number;
  keepaliveTimeoutMs?: number;
  reconnectMs?: number;
  reconnectMaxMs?: number;
  commandMs?: number;
  osdEpochPollMs?: number;
}

export interface CephMonSessionOptions {
  /** Monitors to begin with; the rest is learned from the monmap unless `learnMons` is false. */
  mons: readonly MonEndpoint[];
  /** `client.ID`. */
  entity: string;
  /** The `key` of a keyring. Absent: auth none. */
  key?: string;
  /** Default: `prefer-crc` with a key, `crc` without. */
  mode?: ModeChoice;
  /** Text form. A monitor of another cluster is refused with MON_WRONG_CLUSTER. Default: whatever the first monmap says. */
  fsid?: string;
  /** Nonce of our entity address. One incarnation keeps it over all its connections. Default: random, 31 bits. */
  nonce?: number;
  /** Add the monmap's monitors to the hunt. Default: true, but false if one of `mons` is behind a relay (`announced`). */
  learnMons?: boolean;
  /** Goes into MMonSubscribe, where only the monitor's log shows it. Default `pathproof`. */
  hostname?: string;
  timers?: SessionTimers;
  log?: (line: string) => void;
}

/**
 * A session with the monitors of a cluster over msgr2.1: hunts for one that answers, authenticates, subscribes, and
 * does it all again when the connection is lost. Keeps its global_id and its entity address over connections.
 *
 *     hunting ──first monitor that sends the monmap of the right cluster──▶ connected
 *        ▲ └──────────────── close() ──▶ closed ◀── close() ──────────────────┤
 *        └────────── closed by the monitor, no keepalive answer ──────────────┘
 *
 * The monmap and not the end of the handshake decides: a monitor outside of the quorum shakes hands, too, and then
 * only keeps what it is sent. Connecting begins at once. Subscriptions are sent anew on each connection; requests
 * are not, they reject.
 */
export class CephMonSession {
  readonly #candidates: MonCandidates;
  readonly #hunter: MonHunter;
  readonly #learnMons: boolean;
  readonly #hostname: string;
  readonly #timers: Required<SessionTimers>;
  readonly #log: (line: string) => void;
  readonly #wantedFsid: Buffer | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #messageListeners: ((message: Message) => void)[] = [];
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  readonly #commands = new OpenRequests<MonCommandReply>();
  readonly #versions = new OpenRequests<VersionReply>();
  readonly #osdEpoch: OsdEpochWatch;
  #fsid: Buffer | undefined;
  #monMapEpoch = 0;
  #nextId = 1n;
  #lastError: CephError | undefined;
  #closed = false;
  #waiters: { resolve: () => void; reject: (error: CephError) => void }[] = [];

  constructor(o: CephMonSessionOptions) {
    const entity = parseEntityName(o.entity);
    const key = o.key === undefined ? undefined : parseKey(o.key);
    const mode = o.mode ?? (key === undefined ? 'crc' : 'prefer-crc');
    if (key === undefined && mode === 'secure') throw new CephError('AUTH_METHOD', 'secure mode needs a key: auth none has no session secret');
    this.#candidates = new MonCandidates(o.mons);
    this.#wantedFsid = o.fsid === undefined ? undefined : parseFsid(o.fsid);
    this.#learnMons = o.learnMons ?? o.mons.every(({ announced }) => announced === undefined);
    this.#hostname = o.hostname ?? 'pathproof';
    this.#timers = { ...Timer, ...o.timers };
    this.#log = o.log ?? (() => undefined);
    this.#osdEpoch = new OsdEpochWatch(this.#timers.osdEpochPollMs, () => this.version('osdmap'));
    this.#hunter = new MonHunter({
      candidates: this.#candidates,
      timers: this.#timers,
      handshake: {
        entity,
        modes: key === undefined ? modeLists.crc : modeLists[mode],
        nonce: o.nonce ?? randomBytes(4).readUInt32LE(0) >>> 1,
        ...(key === undefined ? {} : { key }),
      },
    }, {
      ready: (connection) => void connection.send(monSubscribe.encode([monMapSubscription], this.#hostname)),
      message: (connection, message) => this.#onMessage(connection, message),
      failed: (error, curable, endpoint) => this.#onFailed(error, curable, endpoint),
      lost: (error) => this.#onLost(error),
    });
    this.#hunter.hunt();
  }

  get connected(): boolean {
    return this.#hunter.winner !== undefined;
  }

  /** The monitor that the session is connected to. */
  get monitor(): MonEndpoint | undefined {
    return this.#hunter.winner?.endpoint;
  }

  /** `ip:0/nonce`, as the monitor knows us; undefined before the first connection. */
  get entityAddress(): string | undefined {
    return this.address === undefined ? undefined : addressText(this.address);
  }

  get address(): EntityAddress | undefined {
    return this.#hunter.identity?.address;
  }

  /** 0n before the first connection. */
  get globalId(): bigint {
    return this.#hunter.identity?.globalId ?? 0n;
  }

  /** Of the connection at hand or the last one: the bits that both sides have. */
  get features(): bigint {
    return this.#hunter.identity?.features ?? 0n;
  }

  /** True: frames are encrypted. */
  get secure(): boolean {
    return this.#hunter.identity?.mode === ConMode.secure;
  }

  /** Text form; undefined before the first monmap. */
  get fsid(): string | undefined {
    return this.#fsid === undefined ? undefined : fsidText(this.#fsid);
  }

  /** Newest osdmap epoch that a monitor has told of; 0 if none has. */
  get osdEpoch(): number {
    return this.#osdEpoch.newest;
  }

  /** Why the last attempt or connection ended. */
  get lastError(): CephError | undefined {
    return this.#lastError;
  }

  /** Messages that the session does not consume itself. A listener that throws ends the connection. */
  onMessage(listener: (message: Message) => void): void {
    this.#messageListeners.push(listener);
  }

  /** Called at each change, and once for a session that is already up. */
  onConnection(listener: (connected: boolean) => void): void {
    this.#connectionListeners.push(listener);
    if (this.connected) queueMicrotask(() => this.connected && listener(true));
  }

  /**
   * Resolves when a monitor is connected. Rejects with MON_TIMEOUT, or at once when the cause is one that trying
   * again does not cure (AUTH_DENIED, AUTH_METHOD, …); the session goes on trying all the same.
   */
  async whenConnected(timeoutMs: number): Promise<void> {
    if (this.connected) return;
    if (this.#closed) throw this.#closedError();
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiters.push({ resolve, reject });
        timer = setTimeout(() => reject(new CephError('MON_TIMEOUT', `no monitor within ${timeoutMs} ms${this.#because()}`, this.#lastError)), timeoutMs);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks the monitors for news from now on, on this and all later connections. */
  subscribe(what: string, o: { start?: bigint; onetime?: boolean } = {}): void {
    if (this.#subscriptions.size >= Limit.subscriptionsMax && !this.#subscriptions.has(what)) {
      throw new CephError('MSGR_LIMIT', `more than ${Limit.subscriptionsMax} subscriptions`);
    }
    const subscription = { what, start: o.start ?? 0n, onetime: o.onetime ?? false };
    this.#subscriptions.set(what, subscription);
    this.#hunter.winner?.send(monSubscribe.encode([subscription], this.#hostname));
  }

  /** False: not sent; there is no connection, or it takes nothing at the moment. */
  send(message: Message): boolean {
    return this.#hunter.winner?.send(message) ?? false;
  }

  /**
   * Runs a monitor command, e.g. `{ prefix: 'osd blocklist ls', format: 'json' }`. Rejects with MON_NOT_CONNECTED,
   * MON_TIMEOUT or MON_DISCONNECTED; after the latter two it may have been executed.
   */
  async command(command: Readonly<Record<string, unknown>>, input?: Buffer): Promise<MonCommandReply> {
    this.#requireConnection();
    const id = this.#nextId++;
    const name = typeof command['prefix'] === 'string' ? command['prefix'] : 'a command';
    return this.#commands.ask(id, name, this.#timers.commandMs, () => this.#ask(monCommand.encode(this.#fsid!, JSON.stringify(command), id, input)));
  }

  /** Newest and oldest version of a map that the monitor has: `osdmap`, `monmap`, `mdsmap`… */
  async version(what: string): Promise<{ newest: bigint; oldest: bigint }> {
    this.#requireConnection();
    const id = this.#nextId++;
    const { version, oldest } = await this.#versions.ask(id, `the version of ${what}`, this.#timers.commandMs, () => this.#ask(monGetVersion.encode({ handle: id, what }, id)));
    if (what === 'osdmap') this.#osdEpoch.saw(Number(version));
    return { newest: version, oldest };
  }

  /**
   * Resolves once the monitors have committed this osdmap epoch. It says nothing about when a data path's own
   * RADOS client has it: that client has to be asked itself. Survives reconnections. Rejects with MON_TIMEOUT or MON_CLOSED.
   */
  async waitForOsdEpoch(epoch: number, timeoutMs = this.#timers.commandMs): Promise<void> {
    if (this.#closed) throw this.#closedError();
    await this.#osdEpoch.wait(epoch, timeoutMs);
  }

  /** Ends the session for good; open requests reject with MON_CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = this.#closedError();
    this.#hunter.stop(error);
    this.#osdEpoch.fail(error);
    this.#rejectWaiters(error);
  }

  #onFailed(error: CephError, curable: boolean, { host, port }: MonEndpoint): void {
    this.#lastError = error;
    this.#log(`${host}:${port}: ${error.message}`);
    if (!curable) this.#rejectWaiters(error);
  }

  #onLost(error: CephError): void {
    this.#lastError = error;
    if (!this.#closed) this.#log(`lost the monitor: ${error.message}`);
    const failure = this.#closed ? error : new CephError('MON_DISCONNECTED', `the connection ended before the answer came: ${error.message}`, error);
    this.#commands.fail(failure);
    this.#versions.fail(failure);
    for (const listener of this.#connectionListeners) listener(false);
  }

  #onWon({ endpoint: { host, port } }: MonConnection): void {
    this.#lastError = undefined;
    if (this.#subscriptions.size > 0) this.send(monSubscribe.encode([...this.#subscriptions.values()], this.#hostname));
    this.#log(`connected to ${host}:${port} as ${this.entityAddress}, global_id ${this.globalId}, ${this.secure ? 'secure' : 'crc'} mode`);
    for (const { resolve } of this.#waiters.splice(0)) resolve();
    for (const listener of this.#connectionListeners) listener(true);
  }

  #onMessage(connection: MonConnection, message: Message): void {
    if (message.type === MessageType.monMap) this.#onMonMap(connection, message);
    // A loser of the round has nothing else to say.
    else if (connection === this.#hunter.winner) this.#onSessionMessage(message);
  }

  #onSessionMessage(message: Message): void {
    switch (message.type) {
      case MessageType.monCommandAck:
        return this.#commands.answer(message.tid, monCommandAck.decode(message));
      case MessageType.monGetVersionReply: {
        const reply = monGetVersionReply.decode(message);
        return this.#versions.answer(reply.handle, reply);
      }
      case MessageType.osdMap:
        this.#osdEpoch.saw(osdMapMessage.decode(message).newest);
        break;
      default:
    }
    for (const listener of this.#messageListeners) listener(message);
  }

  #onMonMap(connection: MonConnection, message: Message): void {
    const map = monMapMessage.decode(message);
    const expected = this.#wantedFsid ?? this.#fsid;
    if (expected !== undefined && !expected.equals(map.fsid)) {
      throw new CephError('MON_WRONG_CLUSTER', `the monitor belongs to cluster ${fsidText(map.fsid)}, expected ${fsidText(expected)}`);
    }
    this.#fsid = map.fsid;
    // A monitor that was away may hand out an old one.
    if (map.epoch >= this.#monMapEpoch) {
      this.#monMapEpoch = map.epoch;
      if (this.#learnMons) this.#candidates.learn(msgr2Endpoints(map));
    }
    if (this.#hunter.win(connection)) this.#onWon(connection);
  }

  #ask(message: Message): void {
    this.#requireConnection();
    if (!this.send(message)) throw new CephError('MON_NOT_CONNECTED', 'the monitor does not take what was sent before');
  }

  #requireConnection(): void {
    if (this.#closed) throw this.#closedError();
    if (!this.connected) throw new CephError('MON_NOT_CONNECTED', `no monitor is connected${this.#because()}`, this.#lastError);
  }

  #rejectWaiters(error: CephError): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  #closedError(): CephError {
    return new CephError('MON_CLOSED', 'the session was closed');
  }

  #because(): string {
    return this.#lastError === undefined ? '' : `: ${this.#lastError.message}`;
  }
}
