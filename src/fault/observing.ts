import { nowUs, sleep } from '../util/clock.js';
import { allHosts, gatewayOf, hostsOf, loadedNamespaces, type Confirmation, type FaultContext } from './driver.js';

/**
 * What observers other than the injector see of a fault: through the host, the monitor, the operating system.
 *
 * They tell whether the fault acts, or is gone, and not whether the system under test answered it as it should:
 * a system that does not recover is a finding of the checkers, and must not pass for a fault that did not take.
 */

/** How often an operating system is asked again, milliseconds. */
const lookAgainMs = 50;

export function waitFor(context: FaultContext, condition: () => boolean): Promise<boolean> {
  return context.view.waitFor(condition, context.confirmTimeoutMs, context.signal);
}

function possessive({ lab }: FaultContext): string {
  return lab.hosts.size > 1 ? 'the hosts’' : 'the host’s';
}

export async function hostLost(context: FaultContext, also: string): Promise<Confirmation> {
  const lost = await waitFor(context, () => {
    const states = context.view.controllersOf(context.target);
    return states.length > 0 && states.every((state) => state !== 'live');
  });
  return lost ? { observer: allHosts(context), evidence: `${also}${possessive(context)} controllers of ${context.target} are ${context.view.controllersOf(context.target).join(', ')}` } : null;
}

/** Asks until there is an answer, or the time for a confirmation is over. */
export async function askUntilSeen(context: FaultContext, ask: () => Promise<Confirmation>, pauseMs: number): Promise<Confirmation> {
  const untilUs = nowUs() + context.confirmTimeoutMs * 1_000;
  for (;;) {
    const seen = await ask();
    if (seen !== null || context.signal.aborted || nowUs() >= untilUs) return seen;
    await sleep(pauseMs, context.signal);
  }
}

/**
 * The fault is gone, and the system has come back from it; or else, once the time for that is over, whatever
 * `gone` can still tell about the fault alone. While another fault acts on the same target there is nothing to
 * come back to: then `gone` is asked at once, as it is where the plan wants no more (`onlyGone`).
 */
export async function recovered(context: FaultContext, gone: () => Promise<Confirmation>): Promise<Confirmation> {
  if (context.onlyGone || !context.alone()) {
    return askUntilSeen(context, gone, lookAgainMs);
  }
  return (await hostReconnected(context)) ?? (context.signal.aborted ? null : gone());
}

/**
 * The operating system's word: the gateway's process is there. One that has ended by now (that is the checkers' to
 * judge) did run if it has said something of itself since `sinceUs`.
 */
export async function processRuns(context: FaultContext, sinceUs = Infinity): Promise<Confirmation> {
  const gateway = gatewayOf(context);
  const { pid, name } = gateway;
  if (pid === undefined || !(await gateway.alive(pid))) {
    const state = context.view.gatewayState(context.target);
    return state !== undefined && state.tUs > sinceUs ? { observer: name, evidence: `${name} has said of itself that it ran, and has ended since` } : null;
  }
  return { observer: 'kernel', evidence: `${name} runs as process ${pid}, but ${missing(context)}` };
}

/** The gateway's word about the last time that it heard from the monitor. */
export async function monitorHeard(context: FaultContext): Promise<Confirmation> {
  const silentMs = context.view.gatewayState(context.target)?.monSilentMs ?? Infinity;
  if (silentMs > monitorSilenceMs(context)) return processRuns(context);
  return { observer: context.target, evidence: `${context.target} heard from the monitor ${silentMs} ms ago, but ${missing(context)}` };
}

/** Each host has a live controller at the target, whatever the monitor thinks of it. */
export function hostConnected(context: FaultContext): Confirmation {
  if (!context.view.connectedTo(context.target, 'some')) return null;
  return { observer: allHosts(context), evidence: `${context.lab.hosts.size > 1 ? 'each' : 'the'} host has a live controller at ${context.target} again` };
}

/**
 * Cut off from the store: I/O through the gateway stands still; or, where none goes through it, the gateway itself cannot
 * reach the store, or has ended itself for that. (One that is started while it is cut off does not get so far as to be asked.)
 */
export async function storeLost(context: FaultContext, sinceUs: number): Promise<Confirmation> {
  const { target, view } = context;
  const gaveUp = (): Confirmation => (view.gaveUpStore(target, sinceUs) ? { observer: target, evidence: `${target} has ended itself since: it found no store` } : null);
  return (await (carriesLoad(context) ? ioStopped(context, sinceUs) : probe(context, false, gaveUp))) ?? gaveUp();
}

/** The store is reached again: writes of the target's namespaces complete, or the gateway itself says so. */
export async function storeBack(context: FaultContext, sinceUs: number): Promise<Confirmation> {
  if (context.onlyGone || !context.alone()) return probe(context, true);
  return (await ioResumed(context, sinceUs)) ?? (context.signal.aborted ? null : probe(context, true));
}

/** Does the host send I/O of the target's own namespaces through it? */
function carriesLoad(context: FaultContext): boolean {
  const groups = context.plan.topology.gateways.filter((g) => g.name === context.target).map((g) => g.anaGroup);
  return loadedNamespaces(context).length > 0 && groups.every((group) => context.view.ownerOf(group) === context.target);
}

/** Waits, for as long as a confirmation may take, until the gateway's process says that it reaches the store; where it can say that. */
export async function whenReaching(context: FaultContext): Promise<void> {
  if (gatewayOf(context).reachesStore !== undefined) await probe(context, true);
}

/** Asks the gateway's process whether it reaches the store, until it says what is expected, or there is `other` word of it. */
function probe(context: FaultContext, expected: boolean, other: () => Confirmation = () => null): Promise<Confirmation> {
  const gateway = gatewayOf(context);
  return askUntilSeen(context, async () => {
    const told = other();
    if (told !== null) return told;
    // One that ended itself has no connection to lose, and a new one when it is back.
    const reaches = gateway.pid === undefined || gateway.reachesStore === undefined ? undefined : await gateway.reachesStore().catch(() => undefined);
    return reaches === expected ? { observer: gateway.name, evidence: `${gateway.name} ${expected ? 'reaches' : 'does not reach'} the store` } : null;
  }, probePauseMs);
}

/** Between two questions, milliseconds. */
const probePauseMs = 200;

function missing(context: FaultContext): string {
  const states = context.view.controllersOf(context.target);
  const availability = availabilityOf(context);
  return `${possessive(context)} controllers of it are ${states.join(', ') || 'none'} and the monitor says ${availability ?? 'nothing'}`;
}

/** Longer than the monitor ever lets a gateway wait for an answer to its beacons (mon_nvmeofgw_beacons_till_ack = 15), milliseconds. */
function monitorSilenceMs(context: FaultContext): number {
  return 16 * context.plan.shape.timers.beaconMs + 1_000;
}

/** What the monitor's map says of the target; undefined: it does not have it. */
function availabilityOf({ view, target }: FaultContext): string | undefined {
  return view.monitor.find(({ id }) => id === target)?.availability;
}

async function hostReconnected(context: FaultContext): Promise<Confirmation> {
  const back = await waitFor(context, () => context.view.connectedTo(context.target)
    && availabilityOf(context) === 'AVAILABLE');
  return back ? { observer: `${allHosts(context)}, monitor`, evidence: `${possessive(context)} controllers of ${context.target} are live and the monitor says AVAILABLE` } : null;
}

/**
 * Cut off from the monitor since `sinceUs`: the monitor has declared it down, or else the gateway itself has heard nothing any
 * more for longer than it ever has to. (One that the monitor does not count in yet is never declared down, and may end itself
 * for the silence and be started again before this is asked the next time.)
 */
export async function monitorLost(context: FaultContext, sinceUs: number): Promise<Confirmation> {
  const limitMs = monitorSilenceMs(context);
  const isDown = (): boolean => availabilityOf(context) === 'UNAVAILABLE';
  let silentMs = 0;
  await waitFor(context, () => {
    const state = context.view.gatewayState(context.target);
    if (state !== undefined && state.tUs - sinceUs >= limitMs * 1_000) silentMs = Math.max(silentMs, state.monSilentMs ?? 0);
    return isDown() || silentMs > limitMs;
  });
  if (isDown()) return { observer: 'monitor', evidence: `the monitor declared ${context.target} UNAVAILABLE` };
  if (silentMs <= limitMs) return null;
  return { observer: context.target, evidence: `${context.target} has heard nothing from the monitor for ${silentMs} ms, and the monitor has not declared it down` };
}

/** The hosts whose I/O it is, in words. */
function loaders(context: FaultContext, nsids: readonly number[]): string {
  return hostsOf(context, nsids).map(({ host }) => host.name).join(', ');
}

export async function ioStopped(context: FaultContext, sinceUs: number): Promise<Confirmation> {
  const namespaces = loadedNamespaces(context);
  const stopped = namespaces.length > 0 && await waitFor(context, () => namespaces.every((nsid) => {
    const io = context.view.ioSince(nsid, sinceUs);
    return io !== undefined && io.reads + io.writes === 0 && io.inflight > 0;
  }));
  return stopped ? { observer: loaders(context, namespaces), evidence: `a whole window without a completion while commands were outstanding on namespace(s) ${namespaces.join(', ')}` } : null;
}

export async function ioResumed(context: FaultContext, sinceUs: number): Promise<Confirmation> {
  const namespaces = loadedNamespaces(context);
  const resumed = await waitFor(context, () => namespaces.every((nsid) => {
    const io = context.view.ioSince(nsid, sinceUs);
    return io !== undefined && io.writes > 0;
  }));
  return resumed ? { observer: loaders(context, namespaces), evidence: `writes complete again on namespace(s) ${namespaces.join(', ')}` } : null;
}
