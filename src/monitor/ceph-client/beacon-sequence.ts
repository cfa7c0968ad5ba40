import { mapFeatureBeaconDiff } from '../../ceph/msgr2/index.js';
import type { GwBeacon, GwClientState, GwSubsystem, SubsystemChange } from '../../ceph/msgr2/index.js';
import type { Beacon } from '../client.js';

/**
 * A monitor that has no number of ours (0: we are new, or it was elected just now) takes 0 and 1, and what comes with
 * them for the full list. Had we sent a 0 with it, the 1 that follows with differences could meet a new leader, which
 * would then believe that the differences are all there is. The 2 that follows a 1 is refused, and we start over.
 */
const firstSequence = 1n;

/**
 * What has to be remembered from one beacon to the next when the monitor wants differences ("beacon diff",
 * facts: msgr2.md §10.1, §11): the sequence number, and the subsystems as the monitor has them by now.
 *
 * Version 1 beacons, always with the full list, until a map asks for version 2; and again if a map takes that
 * back. Sequence numbers count version 2 beacons only, since version 1 beacons leave the monitor's number alone.
 */
export class BeaconSequence {
  #diff = false;
  /** Of the next version 2 beacon that is not CREATED. */
  #sequence = firstSequence;
  /** What the monitor has from version 2 beacons. Empty: the next one carries the full list. */
  #told: readonly GwSubsystem[] = [];
  /** The next one carries the full list, and what was deleted: perhaps the monitor knows more of it than we believe. */
  #tellAll = false;
  #resyncs = 0;

  /** The monitor wants version 2 beacons. */
  get diff(): boolean {
    return this.#diff;
  }

  /** Times that the monitor refused a beacon's sequence number. */
  get resyncs(): number {
    return this.#resyncs;
  }

  /** The beacon to send. Nothing is remembered before `sent`: a beacon that is dropped must not leave a gap. */
  prepare(beacon: Beacon): GwBeacon {
    const { subsystems, ...rest } = beacon;
    // The monitor throws subsystems of a CREATED beacon away. Had we noted them as told, it would never hear of
    // them, and answer every later beacon as if all was well, CREATED for ever (facts: msgr2.md §18, pitfall 1).
    if (beacon.availability === 'CREATED') return { ...rest, subsystems: [], ...(this.#diff ? { diff: { sequence: 0n, changes: [] } } : {}) };
    if (!this.#diff) return { ...rest, subsystems };
    const changes = subsystemChanges(this.#told, subsystems, this.#tellAll);
    return {
      ...rest,
      subsystems: changes.map(({ subsystem }) => subsystem),
      diff: { sequence: this.#sequence, changes: changes.map(({ change }) => change) },
    };
  }

  /** `wire`, made from `beacon`, is on its way. */
  sent(beacon: Beacon, wire: GwBeacon): void {
    if (beacon.availability === 'CREATED') {
      this.#told = [];
      this.#sequence = firstSequence;
      return;
    }
    if (wire.diff === undefined) {
      // With the first version 2 beacon the monitor forgets what it has from version 1.
      this.#told = [];
      return;
    }
    this.#told = structuredClone(beacon.subsystems);
    this.#tellAll = false;
    this.#sequence = wire.diff.sequence + 1n;
  }

  /**
   * Takes over what a map says about the beacons. False: the map has nothing else to say. The monitor has refused a
   * sequence number, counts the gateway as CREATED inside until the full list comes, and exports ANA states that
   * mean nothing: applying them would cut I/O, and reporting its epoch would confirm states that nobody applied.
   */
  takeMap(entry: GwClientState | undefined): boolean {
    if (entry === undefined) return true;
    this.#diff = ((entry.diff?.mapFeatures ?? 0n) & mapFeatureBeaconDiff) !== 0n;
    // It has no list of ours, or none with a listener. That is so before our first one has come, but also when late
    // beacons of an earlier incarnation, which TCP delivers after a partition, have made it drop the list: it took them
    // for ours and answered to where they came from. It would keep us CREATED for as long as we have nothing new to say.
    if (entry.availability === 'CREATED') this.#tellAll = true;
    // Or it has part of it. A map that answers an earlier beacon costs one full list too many, and nothing else.
    const known = new Set(entry.subsystems.map(({ nqn }) => nqn));
    if (this.#told.some(({ nqn }) => !known.has(nqn))) this.#tellAll = true;
    if (entry.diff?.outOfOrder !== true) return true;
    this.#sequence = entry.diff.lastSequence + 1n;
    this.#told = [];
    this.#resyncs += 1;
    return false;
  }
}

/**
 * How to get from one list to the other. A deleted subsystem goes with its old content. `all`: what has not changed goes
 * along as CHANGED, which adds it where it is not known (NVMeofGwMon::apply_beacon).
 */
export function subsystemChanges(before: readonly GwSubsystem[], now: readonly GwSubsystem[], all = false): { subsystem: GwSubsystem; change: SubsystemChange }[] {
  const old = new Map(before.map((subsystem) => [subsystem.nqn, subsystem]));
  const changes: { subsystem: GwSubsystem; change: SubsystemChange }[] = [];
  for (const subsystem of now) {
    const was = old.get(subsystem.nqn);
    old.delete(subsystem.nqn);
    if (was === undefined) changes.push({ subsystem, change: 'ADDED' });
    else if (all || !sameSubsystem(was, subsystem)) changes.push({ subsystem, change: 'CHANGED' });
  }
  for (const subsystem of old.values()) changes.push({ subsystem, change: 'DELETED' });
  return changes;
}

function sameSubsystem(a: GwSubsystem, b: GwSubsystem): boolean {
  return a.listeners.length === b.listeners.length && a.namespaces.length === b.namespaces.length
    && a.listeners.every((x, i) => {
      const y = b.listeners[i]!;
      return x.adrfam === y.adrfam && x.traddr === y.traddr && x.trsvcid === y.trsvcid;
    })
    && a.namespaces.every((x, i) => x.anaGroup === b.namespaces[i]!.anaGroup && x.nonce === b.namespaces[i]!.nonce);
}
