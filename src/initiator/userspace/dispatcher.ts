import type { Cqe } from '../../nvme/index.js';
import { isAnaError } from '../../nvme/index.js';
import { nowUs } from '../../util/clock.js';
import type { Activations } from './activation.js';
import type { HostCounters } from './counters.js';
import type { HostEmitter } from './events.js';
import type { IoOwner, IoRequest } from './io-request.js';
import { settleNotOk, settleOk } from './io-result.js';
import type { IoCode } from './io-result.js';
import type { ConnectionLost } from './loss.js';
import type { ResolvedHostOptions } from './options.js';
import type { Path } from './path.js';
import { PathSelector } from './path-selector.js';
import { RequeueList } from './requeue-list.js';
import { decideDisposition } from './retry.js';

export interface DispatcherContext {
  readonly nsUuid: string;
  readonly nsid: number;
  readonly options: ResolvedHostOptions;
  readonly counters: HostCounters;
  readonly emitter: HostEmitter;
  readonly activations: Activations;
}

/**
 * Decides where each I/O of one namespace goes: path, requeue list, hold, or end.
 *
 *     submit ─▶ path usable? ── yes ─▶ queue pair ─▶ answered: ok / error / retry here / failover
 *        ▲            │ no                        └▶ lost: failover (after failoverHold)
 *        │            ▼
 *        └── drained ─ requeue list ─▶ bound, timeout, abort or no path for good: fail or info
 */
export class Dispatcher implements IoOwner {
  readonly selector: PathSelector<Path>;
  readonly requeue: RequeueList<IoRequest>;
  /** I/Os that entered the list because no path was usable, and that failed for want of one. */
  requeues = 0;
  noPathFailures = 0;
  paths: Path[] = [];
  /** The last path is gone, but may come back: keep queueing (`delayedRemovalMs`). */
  lingering = false;
  readonly #c: DispatcherContext;
  /** In `held` or `retry-wait`. */
  readonly #waiting = new Set<IoRequest>();
  #reevaluate: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #closed = false;
  /** A voluntary move is being put off. */
  #suppressing = false;

  constructor(context: DispatcherContext) {
    this.#c = context;
    this.selector = new PathSelector(context.options);
    this.requeue = new RequeueList(context.options.requeueMaxIos, context.options.requeueMaxBytes);
  }

  /** I/Os between two sends because of `failoverHold` or a retry delay. */
  get waiting(): number {
    return this.#waiting.size;
  }

  submit(io: IoRequest): void {
    if (this.#closed) return this.#end(io, 'CLOSED');
    if (io.signal?.aborted === true) return this.#end(io, 'ABORTED');
    if (io.pinned !== null) return this.#submitPinned(io, io.pinned);
    const path = this.selector.pick();
    if (path === null) this.#queueOrFail(io);
    else this.#sendOn(path, io);
  }

  /** Paths, or what is known of them, changed: chooses anew, and lets queued I/O go or fail. */
  update(cause: string): void {
    const { options, counters, emitter, activations, nsUuid, nsid } = this.#c;
    clearTimeout(this.#reevaluate);
    const { move, reevaluateAtUs } = this.selector.update(this.paths, nowUs());
    if (reevaluateAtUs === null) this.#suppressing = false;
    else {
      if (!this.#suppressing) counters.suppressedMoves += 1;
      this.#suppressing = true;
      this.#reevaluate = setTimeout(() => this.update('interval-over'), Math.ceil((reevaluateAtUs - nowUs()) / 1_000));
    }
    if (move !== null) {
      counters.pathMoves += 1;
      emitter.emit({
        type: 'host.failover', nsUuid, nsid, from: move.from?.name ?? null, to: move.to?.name ?? null,
        cause: move.voluntary ? `${options.preferred === null ? 'better-path' : 'failback'} (${cause})` : cause, inflight: move.from?.inflight ?? 0,
      });
    }
    activations.look();
    if (this.requeue.depth === 0) return;
    this.#drain();
    if (this.requeue.depth > 0) activations.wanted(this.paths);
  }

  /** An automatic activation failed a while ago: is one still wanted? */
  activateAgain(): void {
    if (this.requeue.depth > 0) this.#c.activations.wanted(this.paths);
  }

  /** The caller's signal fired. What is in flight becomes nobody's: its late answer is ignored and counted. */
  abort(io: IoRequest): void {
    if (io.place === 'done' || io.place === 'new') return;
    if (io.place === 'path') {
      const mine = io.queue!.orphan(io, (sent) => {
        if (sent) io.unanswered += 1;
        this.#c.counters.aborted += 1;
        this.#end(io, 'ABORTED');
      });
      // Otherwise its answer, or the loss of its connection, is being delivered right now: `submit` looks at the signal.
      if (mine) this.#leavePath(io);
      return;
    }
    this.#take(io);
    this.#c.counters.aborted += 1;
    this.#end(io, 'ABORTED');
  }

  /** Ends everything that is not on a path; what is on one ends with its queue. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#reevaluate);
    clearTimeout(this.#expiry);
    for (const io of [...this.requeue]) {
      this.#take(io);
      this.#end(io, 'CLOSED');
    }
    for (const io of [...this.#waiting]) {
      this.#take(io);
      this.#end(io, 'CLOSED');
    }
  }

  sent(io: IoRequest): void {
    this.#c.counters.ioSends += 1;
    if (io.path !== null) io.path.sends += 1;
  }

  answered(io: IoRequest, cqe: Cqe, data: Buffer | null): void {
    const path = io.path!;
    const label = io.queue!.label;
    this.#leavePath(io);
    const { options, counters } = this.#c;
    if (cqe.status === 0) return settleOk(io, label, data, counters);
    io.status = cqe.status;
    io.dnr = cqe.dnr;
    io.answeredBy = label;
    path.errors += 1;
    switch (decideDisposition(cqe, { localRetries: io.localRetries, pinned: io.pinned !== null }, options.maxLocalRetries)) {
      case 'ok':
      case 'complete':
        return this.#end(io, 'NVME_STATUS');
      case 'failover':
        counters.pathErrors += 1;
        this.#onPathError(path, cqe.status);
        return this.#failover(io, path, false);
      case 'retry': {
        io.localRetries += 1;
        path.retries += 1;
        counters.localRetries += 1;
        const delayMs = path.controller.session?.retryDelayMs(cqe.crd) ?? 0;
        this.#later(io, 'retry-wait', delayMs, () => this.#retry(io, path));
      }
    }
  }

  lost(io: IoRequest, lost: ConnectionLost, sent: boolean): void {
    const path = io.path!;
    this.#leavePath(io);
    if (!sent) return this.submit(io);
    io.unanswered += 1;
    if (this.#closed) return this.#end(io, 'CLOSED');
    if (io.pinned !== null) return this.#end(io, 'CONNECTION_LOST');
    if (!io.replayable) {
      this.#c.counters.notReplayed += 1;
      return this.#end(io, 'NOT_REPLAYED');
    }
    this.#failover(io, path, true);
  }

  #sendOn(path: Path, io: IoRequest): void {
    const queue = path.queue();
    if (queue === null) return this.#queueOrFail(io);
    io.place = 'path';
    io.path = path;
    io.queue = queue;
    path.inflight += 1;
    const submission = queue.submit(io);
    if (submission === 'sent' || submission === 'waiting') return;
    this.#leavePath(io);
    if (submission === 'full') return this.#full(io);
    this.#queueOrFail(io);
  }

  #submitPinned(io: IoRequest, name: string): void {
    const path = this.paths.find((candidate) => candidate.controllerName === name) ?? this.paths.find((candidate) => candidate.gateway === name);
    if (path === undefined || path.controller.state !== 'live' || !path.ready) {
      this.#c.counters.noPathFailures += 1;
      return this.#end(io, 'NO_PATH');
    }
    this.#sendOn(path, io);
  }

  #leavePath(io: IoRequest): void {
    if (io.path !== null) io.path.inflight -= 1;
    io.path = null;
    io.queue = null;
    io.place = 'new';
  }

  /** A retry goes to the path it came from, as in Linux; a path that went out of use meanwhile is a failover. */
  #retry(io: IoRequest, path: Path): void {
    if (io.pinned !== null) this.submit(io);
    else if (path.usable && this.paths.includes(path)) this.#sendOn(path, io);
    else this.#failover(io, path, false);
  }

  #onPathError(path: Path, status: number): void {
    if (isAnaError(status)) path.doubt();
    // No ANA state explains it, or there is no log to read.
    if (!path.pending) path.coolDown(this.#c.options.pathCooldownMs, () => this.refresh(path, 'cooldown-over'));
    this.refresh(path, `path-error-${status.toString(16)}`);
  }

  /** After an ANA log that contradicts the path errors seen: without this, two such paths would bounce an I/O for ever. */
  contradicted(path: Path): void {
    path.coolDown(this.#c.options.pathCooldownMs, () => this.refresh(path, 'cooldown-over'));
  }

  refresh(path: Path, cause: string): void {
    path.refresh(cause);
    this.update(cause);
  }

  #failover(io: IoRequest, from: Path, unanswered: boolean): void {
    const { options, counters } = this.#c;
    const now = nowUs();
    io.failovers += 1;
    io.localRetries = 0;
    from.failovers += 1;
    counters.failovers += 1;
    if (io.failoverSinceUs === 0) io.failoverSinceUs = now;
    if (options.maxFailovers >= 0 && io.failovers > options.maxFailovers) {
      counters.failoversExhausted += 1;
      return this.#end(io, 'FAILOVERS_EXHAUSTED');
    }
    if (this.#expired(io, now) === 'FAILOVER_TIMEOUT') return this.#expire(io, 'FAILOVER_TIMEOUT');
    const { failoverHold } = options;
    if (unanswered && io.mutates && typeof failoverHold === 'object' && failoverHold.ms > 0) {
      counters.heldReplays += 1;
      return this.#later(io, 'held', failoverHold.ms, () => this.submit(io));
    }
    this.submit(io);
  }

  #later(io: IoRequest, place: 'held' | 'retry-wait', ms: number, then: () => void): void {
    if (ms === 0) return then();
    if (this.#closed) return this.#end(io, 'CLOSED');
    io.place = place;
    this.#waiting.add(io);
    io.timer = setTimeout(() => {
      this.#waiting.delete(io);
      io.place = 'new';
      then();
    }, ms);
  }

  /** Out of the requeue list or of the waits, if it is there. */
  #take(io: IoRequest): void {
    this.#waiting.delete(io);
    clearTimeout(io.timer);
    const queued = io.place === 'requeued' && this.requeue.remove(io);
    if (queued && this.requeue.depth === 0) this.#tellQueue('drained');
  }

  /** May an I/O without a path hope for one (nvme_available_path)? */
  #mayQueue(): boolean {
    if (this.lingering) return true;
    if (this.#c.options.delayedRemovalMs > 0 && this.paths.length > 0) return true;
    return this.paths.some(({ controller: { failfastExpired, state } }) =>
      !failfastExpired && (state === 'live' || state === 'resetting' || state === 'connecting'));
  }

  #queueOrFail(io: IoRequest): void {
    if (!this.#mayQueue()) {
      this.noPathFailures += 1;
      this.#c.counters.noPathFailures += 1;
      return this.#end(io, 'NO_PATH');
    }
    if (!this.requeue.push(io)) return this.#full(io);
    io.place = 'requeued';
    this.requeues += 1;
    this.#c.counters.requeued += 1;
    if (this.requeue.depth === 1) this.#tellQueue('queueing');
    this.#armExpiry();
    this.#c.activations.wanted(this.paths);
  }

  #drain(): void {
    for (let depth = this.requeue.depth; depth > 0; depth = this.requeue.depth) {
      const path = this.selector.pick();
      if (path === null && this.#mayQueue()) return;
      const io = this.requeue.shift()!;
      io.place = 'new';
      if (path === null) this.#queueOrFail(io);
      else this.#sendOn(path, io);
      // A queue that went down under us put it back: its controller's change of state will call again.
      if (this.requeue.depth >= depth) return;
    }
    this.#tellQueue('drained');
  }

  #tellQueue(state: 'queueing' | 'drained'): void {
    const { emitter, nsUuid, nsid } = this.#c;
    emitter.emit({ type: 'host.queue', nsUuid, nsid, state, depth: this.requeue.depth, oldestUs: this.requeue.oldestUs });
  }

  #full(io: IoRequest): void {
    this.#c.counters.queueFull += 1;
    this.#end(io, 'QUEUE_FULL');
  }

  /** Which limit of a queued I/O has passed. */
  #expired(io: IoRequest, now: number): 'QUEUE_TIMEOUT' | 'FAILOVER_TIMEOUT' | null {
    const { queueTimeoutMs, failoverTimeoutMs } = this.#c.options;
    if (queueTimeoutMs > 0 && io.queuedAtUs > 0 && now - io.queuedAtUs >= queueTimeoutMs * 1_000) return 'QUEUE_TIMEOUT';
    if (failoverTimeoutMs > 0 && io.failoverSinceUs > 0 && now - io.failoverSinceUs >= failoverTimeoutMs * 1_000) return 'FAILOVER_TIMEOUT';
    return null;
  }

  #expire(io: IoRequest, code: 'QUEUE_TIMEOUT' | 'FAILOVER_TIMEOUT'): void {
    const { counters } = this.#c;
    if (code === 'QUEUE_TIMEOUT') counters.queueTimeouts += 1;
    else counters.failoverTimeouts += 1;
    this.#end(io, code);
  }

  /** One timer for the whole list, at the granularity of the shorter of the two limits / 8. */
  #armExpiry(): void {
    const { queueTimeoutMs, failoverTimeoutMs } = this.#c.options;
    const limitMs = Math.min(queueTimeoutMs || Infinity, failoverTimeoutMs || Infinity);
    if (limitMs === Infinity || this.#expiry !== undefined) return;
    this.#expiry = setTimeout(() => {
      this.#expiry = undefined;
      const now = nowUs();
      for (const io of [...this.requeue]) {
        const code = this.#expired(io, now);
        if (code === null) continue;
        this.#take(io);
        this.#expire(io, code);
      }
      if (this.requeue.depth > 0) this.#armExpiry();
    }, Math.max(1, Math.ceil(limitMs / 8)));
  }

  #end(io: IoRequest, code: IoCode): void {
    settleNotOk(io, code, this.#c.counters);
  }
}
