import { hasKernelHosts } from './platform.js';
import type { Bound, LabPlatform, LabShape, LabTimers } from './types.js';

type Term = Bound['terms'][number];

/**
 * What the machine under the lab may add to any one wait: process scheduling, garbage collection, and
 * the neighbours of a shared virtual machine. One explicit term, so that a reader can subtract it; a
 * stalled harness is not excused by it but found by the self-watch.
 */
export const machineNoiseMs = 1_000;

/**
 * Processor work that may lie in the way of any one wait (a map is decoded, an ANA log read, a path chosen…), in
 * milliseconds of a native processor. An emulated one takes as many times longer as was measured.
 */
export const workOnTheWayMs = 100;

/** Start of a gateway process: Node and its modules (0.2 s alone, several times that while others start), bind, first map. */
export const gatewayStartMs = 5_000;

/** Time-outs of requests are looked at by a timer with this resolution (linux block/blk-mq.c, blk_mq_timeout_work and blk_add_timer). */
export const timeoutGranularityMs = 1_000;

/**
 * The same in an emulated guest, where Node alone takes 4 to 10 s: the supervisor has first to take down what the last
 * incarnation left in the kernel, then four images are mapped and the target is set up (8 to 20 s measured on two cores).
 */
export const emulatedGatewayStartMs = 30_000;
/** Power-on to SSH of an emulated machine beside three others that work (10 to 25 s measured on two cores). */
export const machineBootMs = 60_000;
/** The same where it boots systemd from a disk, and is emulated (140 to 160 s measured on two cores, with I/O going on). */
export const emulatedSystemdBootMs = 300_000;

/** What cephadm takes for one order about one gateway, milliseconds; 1 to 4 s on a quiet machine, and 10 s more for a container that ignores SIGTERM. */
export const orchestrationMs = 10_000;

/** I/O windows of the observers (io.stats) are this long; a wait that looks at them needs two. */
export const observationWindowMs = 250;

/**
 * The bounds of a lab by name, each a sum of terms with reasons. Derived from the timers of the lab:
 * NVMeofGwMon's (grace, tick, failback, delete suppression), the gateway's and the host's. Sources: the
 * monitor's state machine and the measured times of real 20.2 clusters for the order of events; for the
 * host, linux drivers/nvme/host/{tcp,core,multipath}.c.
 */
export function deriveBounds(shape: LabShape, platform: LabPlatform): Bound[] {
  const t = shape.timers;
  const noise = noiseOf(platform);
  const promotion: Term = { name: 'promotion', ms: t.beaconMs, reason: 'map to the new owner, its wait for the blocklist’s store epoch, ANA change, AEN and ANA log read by the host' };
  const observation: Term = { name: 'observation', ms: 2 * observationWindowMs, reason: 'the first window with completed I/O has to end before it is seen' };
  const detection: Term[] = [
    { name: 'beacon grace', ms: t.beaconGraceMs, reason: 'the monitor waits this long after the last beacon' },
    { name: 'grace check', ms: Math.max(t.beaconMs, t.monTickMs), reason: 'the grace is checked at any gateway’s beacon, or at the monitor’s tick when no other gateway sends any' },
  ];
  const failover = [...detection, promotion, noise];
  const removal: Term[] = [
    { name: 'delete suppression', ms: t.deleteSuppressMs, reason: 'failovers of the group are suppressed after a delete' },
    { name: 'monitor tick', ms: t.monTickMs, reason: 'the move is decided at the next tick' },
    { name: 'blocklist busy', ms: t.beaconMs, reason: 'a taker that is in a transition takes nothing else before its next beacon' },
    promotion, noise,
  ];
  const listener: Term[] = [
    { name: 'beacon', ms: t.beaconMs, reason: 'the next beacon says that there are no listeners' },
    { name: 'monitor tick', ms: t.monTickMs, reason: 'the group of a gateway without listeners is handed over at the tick' },
    promotion, noise,
  ];
  const ioTimeout: Term[] = [
    longerOf(
      platform.fabrics === 1
        ? { name: 'I/O timeout', ms: t.ioTimeoutMs, reason: 'commands in the cut-off gateway end only by the host’s timeout; then all commands of that controller fail over at once' }
        // The other controller at the same gateway is optimized, too, and by the time that it has timed out the first one has reconnected.
        : { name: 'disconnect panic', ms: Math.max(t.ioTimeoutMs, t.disconnectPanicMs), reason: 'the host’s commands time out at one controller of the cut-off gateway only to hang at the other, which looks as good, until the gateway ends itself for the silence of the monitor' },
      sum('detection', detection),
    ),
    promotion, noise,
  ];
  const silentLoss: Term[] = [
    longerOf(
      sum('host detection', [
        { name: 'keep-alive', ms: t.katoMs / 2, reason: 'the host sends a keep-alive every half of KATO' },
        { name: 'keep-alive time-out', ms: t.katoMs, reason: 'it gets no answer for KATO; then all commands of that controller fail over at once' },
        { name: 'block layer', ms: timeoutGranularityMs, reason: 'the block layer’s time-outs are looked at in whole seconds' },
      ]),
      sum('monitor detection', detection),
    ),
    promotion, noise,
  ];
  const failback: Term[] = [
    longerOf(
      sum('failback window', [
        { name: 'failback timer', ms: t.failbackMs, reason: 'both gateways are inaccessible for it' },
        { name: 'beacons', ms: 2 * t.beaconMs, reason: 'the group returns when beacons of both gateways carry the new map epoch' },
        { name: 'tick', ms: t.monTickMs, reason: 'the timer is looked at with beacons and ticks' },
      ]),
      { name: 'reconnect delay', ms: t.reconnectDelayMs, reason: 'the group may return before the host’s next connect attempt to its gateway' },
    ),
    promotion, noise,
  ];
  const gatewayStart: Term = hasEmulatedGateways(platform)
    ? { name: 'gateway start', ms: emulatedGatewayStartMs, reason: 'cleaning up after the last incarnation, and a new process in an emulated guest up to its first beacon' }
    : { name: 'gateway start', ms: gatewayStartMs, reason: 'a new process up to its first beacon' };
  const boot: Term = { name: 'machine boot', ms: bootMs(platform), reason: 'the machine is switched on and boots' };
  const orchestration: Term = { name: 'cephadm', ms: orchestrationMs, reason: 'cephadm stops, removes, deploys or starts the container, one step after the other, over SSH' };
  const home: Term[] = [
    gatewayStart,
    { name: 'CREATED to AVAILABLE', ms: 3 * t.beaconMs, reason: 'first map, second beacon, listeners open' },
    { name: 'monitor tick', ms: t.monTickMs, reason: 'one decision may wait for the tick' },
    { name: 'failback', ms: t.failbackMs + 2 * t.beaconMs, reason: 'preparation timer and acknowledging beacons' },
    { name: 'reconnect', ms: 2 * t.reconnectDelayMs, reason: 'one attempt may come too early, the next succeeds' },
    observation, noise,
  ];
  const rescan: Term[] = [
    ...Array.from({ length: platform.fabrics }, (_, i): Term => ({
      name: `queue freeze ${i + 1}`, ms: noise.ms,
      reason: 'each controller that is back has its namespaces scanned: I/O to a multipath head waits while its queue is frozen, until everything that is under way there is done (linux drivers/nvme/host/core.c, nvme_update_ns_info)',
    })),
    noise,
  ];
  const silence: Term[] = [
    longerOf({ name: 'keep-alive', ms: 1.5 * t.katoMs, reason: 'keep-alives are sent every half KATO and time out after KATO' }, sum('detection', detection)),
    promotion, noise,
  ];
  const return_: Term[] = [
    gatewayStart,
    { name: 'CREATED to AVAILABLE', ms: 3 * t.beaconMs, reason: 'first map, second beacon, listeners open' },
    { name: 'reconnect', ms: 2 * t.reconnectDelayMs, reason: 'one attempt may come too early, the next succeeds' },
  ];
  const overlap: Term[] = [
    ...return_,
    longerOf({ name: 'I/O timeout', ms: t.ioTimeoutMs, reason: 'commands in a cut-off gateway end only by the host’s timeout' }, sum('detection', detection)),
    { name: 'suppression', ms: Math.max(t.skipFailoversMs, t.deleteSuppressMs), reason: 'a gateway that comes back soon after it went, or a delete, suppresses failovers of the whole group' },
    { name: 'monitor ticks', ms: shape.gateways * t.monTickMs, reason: 'a taker that is in a transition takes nothing else before the next tick; one group after the other at worst' },
    { name: 'failback', ms: t.failbackMs + 2 * t.beaconMs, reason: 'a failback that was under way ends first' },
    promotion, noise,
  ];
  const reboot: Term[] = [
    ...return_,
    { name: 'monitor tick', ms: t.monTickMs, reason: 'one decision may wait for the tick' },
    { name: 'failback', ms: t.failbackMs + 2 * t.beaconMs, reason: 'a start that took longer than the grace ends in a takeover and a failback' },
    noise,
  ];
  return [
    bound('quietStall', [noise]),
    bound('failoverStall', failover),
    bound('silentLossStall', silentLoss),
    bound('removalStall', removal),
    bound('listenerStall', listener),
    bound('ioTimeoutStall', ioTimeout),
    bound('failbackStall', failback),
    bound('rescanStall', rescan),
    bound('silentStall', silence),
    bound('rebootStall', reboot),
    bound('orchestratedFailoverStall', [orchestration, ...failover]),
    bound('orchestratedRemovalStall', [orchestration, ...removal]),
    bound('deployFailbackStall', [orchestration, ...failback]),
    bound('redeployStall', [orchestration, ...reboot]),
    bound('replaceStall', [orchestration, { name: 'delete suppression', ms: t.deleteSuppressMs, reason: 'failovers of the group are suppressed after a delete' }, ...reboot]),
    bound('linkResume', [{ name: 'reconnect', ms: 2 * t.reconnectDelayMs, reason: 'an attempt that began before the heal may still fail, the next succeeds' }, promotion, noise]),
    bound('heldWriteStall', [
      { name: 'I/O timeout', ms: t.ioTimeoutMs, reason: 'the held writes end by it' },
      { name: 'reconnect', ms: 2 * t.reconnectDelayMs, reason: 'the host gives the whole controller up for them and connects anew' },
      noise,
    ]),
    bound('removalNotice', [{ name: 'monitor tick', ms: t.monTickMs, reason: 'a delete is in the map at once, or with the next tick' }, noise]),
    bound('orchestratedRemovalNotice', [orchestration, { name: 'monitor tick', ms: t.monTickMs, reason: 'a delete is in the map at once, or with the next tick' }, noise]),
    bound('zombieOverlap', [{ name: 'notice', ms: t.beaconMs, reason: 'the store’s notice that it is fenced, or the answer to its next beacon' }, noise]),
    bound('silentOverlap', [{ name: 'late detection', ms: Math.max(0, 1.5 * t.katoMs + (hasKernelHosts(platform) ? timeoutGranularityMs : 0) - (t.beaconGraceMs - t.beaconMs)), reason: 'the host misses a keep-alive up to 1.5 KATO after the last answer, and the monitor may promote another gateway as soon as its grace is over' }, noise]),
    bound('overlapStall', overlap),
    bound('overlapHome', [...overlap, observation]),
    bound('overlapHomeBoot', [boot, ...overlap, observation]),
    bound('overlapHomeDeploy', [orchestration, ...overlap, observation]),
    bound('silentAwait', [...silence, observation, noise]),
    bound('storeResume', [{ name: 'resume', ms: t.beaconMs, reason: 'the store client’s connection carries on, or reconnects and re-sends' }, noise]),
    bound('monitorSilenceOverlap', [
      { name: 'disconnect panic', ms: t.disconnectPanicMs, reason: 'a gateway that the monitor does not reach ends itself by then' },
      noise,
    ]),
    bound('agreement', [
      { name: 'beacon', ms: t.beaconMs, reason: 'a gateway learns of a change of the map with the answer to its next beacon' },
      promotion, noise,
    ]),
    bound('takeoverAwait', [...longestOf(failover, listener), observation, noise]),
    bound('silentLossAwait', [...silentLoss, observation, noise]),
    bound('removalAwait', [...removal, observation, noise]),
    bound('ioTimeoutAwait', [...ioTimeout, observation, noise]),
    bound('orchestratedFailoverAwait', [orchestration, ...failover, observation, noise]),
    bound('orchestratedRemovalAwait', [orchestration, ...removal, observation, noise]),
    bound('homeAwait', home),
    bound('convergence', home),
    bound('homeAwaitBoot', [boot, ...home]),
    bound('convergenceBoot', [boot, ...home]),
    bound('homeAwaitDeploy', [orchestration, ...home]),
    bound('convergenceDeploy', [orchestration, ...home]),
  ];
}

function hasEmulatedGateways({ accel, machines }: LabPlatform): boolean {
  return accel === 'tcg' && machines !== undefined;
}

function noiseOf({ accel, emulationFactor }: LabPlatform): Term {
  if (accel === 'native') return { name: 'machine noise', ms: machineNoiseMs, reason: 'scheduling of a shared machine' };
  return {
    name: 'machine noise', ms: machineNoiseMs + Math.round(workOnTheWayMs * emulationFactor),
    reason: `scheduling of a shared machine, and ${workOnTheWayMs} ms of processor work, ${emulationFactor.toFixed(1)} times slower (${accel})`,
  };
}

/** The milliseconds of a bound of the plan; throws when the plan has none of that name (a bug in planning). */
export function boundMs(bounds: readonly Bound[], name: string): number {
  const found = bounds.find((b) => b.name === name);
  if (found === undefined) throw new Error(`the plan has no bound ${name}`);
  return found.ms;
}

/** How long a fault may take to be seen by its independent observer. */
export function confirmTimeoutMs(timers: LabTimers, platform: LabPlatform): number {
  return (hasEmulatedGateways(platform) ? emulatedGatewayStartMs + bootMs(platform) + timers.disconnectPanicMs : gatewayStartMs) + 2 * timers.katoMs + timers.beaconGraceMs + timers.monTickMs + 2 * timers.reconnectDelayMs + 4 * timers.beaconMs + machineNoiseMs;
}

function bootMs({ accel, machines }: LabPlatform): number {
  return machines?.disks === true && accel === 'tcg' ? emulatedSystemdBootMs : machineBootMs;
}

function bound(name: string, terms: Term[]): Bound {
  return { name, ms: terms.reduce((total, term) => total + term.ms, 0), terms };
}
function sum(name: string, terms: Term[]): Term {
  return { name, ms: terms.reduce((total, term) => total + term.ms, 0), reason: terms.map((t) => `${t.name} ${t.ms} ms (${t.reason})`).join(' + ') };
}
/** Two things that run at the same time: the later one counts. */
function longerOf(a: Term, b: Term): Term {
  const [longer, shorter] = a.ms >= b.ms ? [a, b] : [b, a];
  return { ...longer, reason: `${longer.reason}; at the same time as ${shorter.name} (${shorter.ms} ms), which is shorter` };
}
function longestOf(a: Term[], b: Term[]): Term[] {
  const total = (terms: Term[]): number => terms.reduce((ms, term) => ms + term.ms, 0);
  return total(a) >= total(b) ? a : b;
}
