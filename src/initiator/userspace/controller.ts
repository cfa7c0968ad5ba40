import type { AsyncEvent } from '../../nvme/index.js';
import { cntlidDynamic, LogId, Size } from '../../nvme/index.js';
import type { ControllerStateName } from '../../history/events.js';
import { nowUs, sleep } from '../../util/clock.js';
import { messageOf } from '../../util/errors.js';
import type { HostCounters } from './counters.js';
import type { DataHolds } from './data-hold.js';
import type { HostEmitter } from './events.js';
import { HostLimit } from './limits.js';
import { CommandFailed, ConnectionLost, ControllerRefused } from './loss.js';
import type { LossCause } from './loss.js';
import type { ResolvedHostOptions } from './options.js';
import { maxReconnects } from './options.js';
import { Session } from './session.js';

/** What a controller needs from its host. */
export interface ControllerOwner {
  readonly options: ResolvedHostOptions;
  readonly counters: HostCounters;
  readonly holds: DataHolds;
  readonly emitter: HostEmitter;
  claimCntlid(controller: Controller, cntlid: number): boolean;
  /** State or fast-fail flag changed: paths and heads must look again. On `live`, `session.scan` is fresh. */
  controllerChanged(controller: Controller, cause: string): void;
  namespacesScanned(controller: Controller): void;
  anaRead(controller: Controller): void;
}

export interface ControllerAddress { index: number; name: string; gateway: string; host: string; port: number }

export type FirstConnect = { live: true } | { live: false; error: Error };

/**
 * A controller as the Linux host runs one (drivers/nvme/host/{core,fabrics,tcp}.c):
 *
 *     new → connecting → live → resetting → connecting → …
 *                  └───────┴────────┴──→ deleting → dead
 *
 * `resetting` is left as soon as everything in flight was cancelled; `connecting` includes the waits
 * between attempts.
 */
export class Controller {
  readonly name: string;
  readonly index: number;
  readonly gateway: string;
  readonly host: string;
  readonly port: number;
  /** Settled by the first connect attempt, whatever follows. */
  readonly firstConnect: Promise<FirstConnect>;
  state: ControllerStateName = 'new';
  /** Of the newest association; FFFFh before the first. */
  cntlid = cntlidDynamic;
  /** The id that its present association, being set up or in use, has taken within the subsystem. */
  claimedCntlid: number | null = null;
  /** fast_io_fail_tmo has passed: I/O no longer waits for this controller. */
  failfastExpired = false;
  resets = 0;
  reconnects = 0;
  /** Attempts since the connection was lost, as Linux counts them against ctrl_loss_tmo. */
  attempts = 0;
  lastError: string | null = null;
  /** When the controller last announced an ANA change; 0: never. */
  lastAnaAenUs = 0;
  readonly #owner: ControllerOwner;
  #session: Session | null = null;
  #reconnectTimer: NodeJS.Timeout | undefined;
  #failfastTimer: NodeJS.Timeout | undefined;
  #anaRefreshTimer: NodeJS.Timeout | undefined;
  #scanning = false;
  #scanWanted = false;
  #settleFirst!: (result: FirstConnect) => void;
  #deleted: Promise<void> | undefined;

  constructor(address: ControllerAddress, owner: ControllerOwner) {
    this.name = address.name;
    this.index = address.index;
    this.gateway = address.gateway;
    this.host = address.host;
    this.port = address.port;
    this.#owner = owner;
    this.firstConnect = new Promise((resolve) => {
      this.#settleFirst = resolve;
    });
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** The association in use; null unless live. */
  get session(): Session | null {
    return this.state === 'live' ? this.#session : null;
  }

  /** −1: unbounded. */
  get maxReconnects(): number {
    return maxReconnects(this.#owner.options.ctrlLossTmoMs, this.#owner.options.reconnectDelayMs);
  }

  start(): void {
    if (this.state !== 'new') return;
    this.#setState('connecting', 'connect');
    this.#attempt();
  }

  /** As writing to `reset_controller`: only a live controller is reset, and it connects again at once. */
  reset(cause: LossCause = 'requested'): boolean {
    if (this.state !== 'live') return false;
    this.#recover(new ConnectionLost(cause, `${this.name}: reset`), 0);
    return true;
  }

  /** Lets I/O in flight end, shuts the controller down and forgets it. Resolves when it is dead. */
  delete(): Promise<void> {
    if (this.state === 'dead') return Promise.resolve();
    this.#deleted ??= this.#delete();
    return this.#deleted;
  }

  /** Asks for a new ANA log; returns the read number that satisfies the request, 0 if there is none to wait for. */
  requestAnaRead(): number {
    return this.#session?.ana?.request() ?? 0;
  }

  requestRescan(): void {
    this.#scanWanted = true;
    void this.#rescan();
  }

  #setState(state: ControllerStateName, cause: string): void {
    this.state = state;
    const { name: controller, gateway, address, cntlid } = this;
    this.#owner.emitter.emit({ type: 'host.controller', controller, gateway, address, cntlid, state, cause });
    this.#owner.controllerChanged(this, cause);
  }

  #attempt(): void {
    const { options, counters, holds } = this.#owner;
    counters.connectAttempts += 1;
    const session: Session = new Session(
      {
        ...options, hostId: options.hostIdBytes, controller: this.name, gateway: this.gateway, host: this.host, port: this.port,
        counters, holds, claimCntlid: (cntlid) => this.#claim(cntlid),
      },
      {
        onDown: (lost) => this.#onDown(session, lost),
        onAna: () => {
          if (this.#session !== session || this.state !== 'live') return;
          this.#tellAnaLog(session);
          this.#owner.anaRead(this);
        },
        onAen: (event, dw0) => this.#onAen(session, event, dw0),
      },
    );
    this.#session = session;
    session.open().then(
      () => this.#connected(session),
      (error: unknown) => this.#attemptFailed(session, error instanceof Error ? error : new Error(messageOf(error))),
    );
  }

  #tellAnaLog({ ana }: Session): void {
    if (ana === null) return;
    const { name: controller, gateway, cntlid } = this;
    this.#owner.emitter.emit({ type: 'host.ana-states', controller, gateway, cntlid, changeCount: ana.changeCount, states: Object.fromEntries(ana.states) });
  }

  #claim(cntlid: number): boolean {
    this.cntlid = cntlid;
    if (!this.#owner.claimCntlid(this, cntlid)) return false;
    this.claimedCntlid = cntlid;
    return true;
  }

  #connected(session: Session): void {
    // Deleted or lost while the last answer was on its way.
    if (this.#session !== session || this.state !== 'connecting' || session.closed) return;
    const again = this.attempts > 0 || this.resets > 0;
    if (again) {
      this.reconnects += 1;
      this.#owner.counters.reconnects += 1;
    }
    this.attempts = 0;
    this.lastError = null;
    clearTimeout(this.#failfastTimer);
    this.failfastExpired = false;
    this.#tellAnaLog(session);
    this.#setState('live', again ? 'reconnected' : 'connected');
    const { anaRefreshMs } = this.#owner.options;
    if (anaRefreshMs > 0) this.#anaRefreshTimer = setInterval(() => this.requestAnaRead(), anaRefreshMs);
    this.#settleFirst({ live: true });
    // Announced while the namespaces were being scanned for the first time.
    if (this.#scanWanted) void this.#rescan();
  }

  #attemptFailed(session: Session, error: Error): void {
    // While it is being deleted, the deletion cleans up.
    if (this.#session !== session || this.state !== 'connecting') return;
    const { counters, options } = this.#owner;
    session.close(new ConnectionLost('connect-failed', error.message));
    this.#forgetSession();
    this.lastError = error.message;
    counters.connectFailures += 1;
    this.#settleFirst({ live: false, error });
    const permanent = (error instanceof CommandFailed && error.dnr) || (error instanceof ControllerRefused && error.permanent);
    if (permanent) {
      counters.connectDnr += 1;
      return this.#remove('connect-dnr');
    }
    const neverLive = this.reconnects === 0 && this.resets === 0;
    if (neverLive && !options.retryFirstConnect) return this.#remove('connect-failed');
    this.#scheduleReconnect();
  }

  #onDown(session: Session, lost: ConnectionLost): void {
    if (this.#session !== session) return;
    if (lost.reason.startsWith('keep-alive')) this.#owner.counters.keepAliveFailures += 1;
    if (lost.reason === 'anatt-timeout') this.#owner.counters.anattTimeouts += 1;
    if (this.state === 'live') this.#recover(lost, this.#owner.options.reconnectDelayMs);
    // Connecting: this makes the attempt fail. Deleting: what is in flight ends here.
    else session.close(lost);
  }

  /** Error recovery: the path goes out of use first, then everything in flight is cancelled and moves on. */
  #recover(lost: ConnectionLost, delayMs: number): void {
    const session = this.#session!;
    const { counters, options } = this.#owner;
    this.resets += 1;
    counters.resets += 1;
    this.lastError = lost.message;
    clearInterval(this.#anaRefreshTimer);
    this.#setState('resetting', lost.reason);
    session.giveUp(lost);
    this.#forgetSession();
    // A listener may have deleted it meanwhile.
    if (this.state !== 'resetting') return;
    if (options.fastIoFailTmoMs >= 0) this.#failfastTimer = setTimeout(() => this.#onFailfast(), options.fastIoFailTmoMs);
    this.#setState('connecting', lost.reason);
    if (delayMs === 0) this.#attempt();
    else this.#scheduleReconnect();
  }

  #scheduleReconnect(): void {
    const { reconnectDelayMs } = this.#owner.options;
    const max = this.maxReconnects;
    if (max >= 0 && this.attempts >= max) return this.#remove('ctrl-loss');
    this.#reconnectTimer = setTimeout(() => {
      this.attempts += 1;
      this.#attempt();
    }, reconnectDelayMs);
  }

  #onFailfast(): void {
    this.failfastExpired = true;
    this.#owner.counters.failfastExpired += 1;
    this.#owner.controllerChanged(this, 'fast-io-fail');
  }

  #forgetSession(): void {
    this.#session = null;
    this.claimedCntlid = null;
  }

  #stopTimers(): void {
    clearTimeout(this.#reconnectTimer);
    clearTimeout(this.#failfastTimer);
    clearInterval(this.#anaRefreshTimer);
  }

  #remove(cause: string): void {
    this.#stopTimers();
    this.#setState('deleting', cause);
    this.#owner.counters.controllersRemoved += 1;
    this.#setState('dead', cause);
  }

  async #delete(): Promise<void> {
    this.#stopTimers();
    const session = this.#session;
    this.#setState('deleting', 'requested');
    if (session !== null && !session.closed) {
      const until = performance.now() + HostLimit.shutdownMaxMs;
      while (session.inflight > 0 && !session.closed && performance.now() < until) await sleep(5);
      await session.shutdown(Math.max(1, until - performance.now()));
      session.close(new ConnectionLost('deleted', `${this.name}: deleted`));
    }
    this.#forgetSession();
    this.#settleFirst({ live: false, error: new ConnectionLost('deleted', `${this.name}: deleted`) });
    this.#owner.counters.controllersRemoved += 1;
    this.#setState('dead', 'requested');
  }

  #onAen(session: Session, event: AsyncEvent, dw0: number): void {
    if (this.#session !== session) return;
    if (event.isAnaChange) this.lastAnaAenUs = nowUs();
    const { name: controller, gateway } = this;
    this.#owner.emitter.emit({ type: 'host.aen', controller, gateway, result: dw0 });
    if (event.isAnaChange) session.ana?.request();
    else if (event.isNamespaceAttrChanged) this.requestRescan();
    else void this.#clearEvent(session, event.logId);
  }

  /** Reads the log of an event that multipath does not care about, so that its kind is not masked for ever. */
  async #clearEvent(session: Session, logId: number): Promise<void> {
    const bytes = logId === LogId.smart ? Size.smartLog : logId === LogId.error ? Size.errorLogEntry : 0;
    if (bytes > 0) await session.readLog('event log', logId, bytes).catch(() => undefined);
  }

  /** The changed-namespace log only clears the event: what counts is a new scan and, after it, a new ANA log. */
  async #rescan(): Promise<void> {
    const session = this.#session;
    if (this.#scanning || session === null || this.state !== 'live') return;
    this.#scanning = true;
    this.#scanWanted = false;
    const { counters } = this.#owner;
    counters.rescans += 1;
    try {
      await session.readLog('changed namespaces', LogId.changedNamespaces, Size.changedNsList);
      await session.rescan();
      if (this.session === session) {
        this.#owner.namespacesScanned(this);
        session.ana?.request();
      }
    } catch (error) {
      if (this.session === session && !(error instanceof ConnectionLost)) {
        counters.rescanErrors += 1;
        this.lastError = messageOf(error);
        setTimeout(() => this.requestRescan(), HostLimit.anaRetryMaxMs).unref();
      }
    } finally {
      this.#scanning = false;
    }
    if (this.#scanWanted) void this.#rescan();
  }
}
