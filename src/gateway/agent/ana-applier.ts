import type { GatewayMapEntry, MapAnaState } from '../../monitor/client.js';
import type { GatewayControl } from '../control.js';
import { messageOf } from '../../util/errors.js';

/** One ANA group of one subsystem, as last told by the monitor. */
interface Slot {
  nqn: string;
  /** 1-based. */
  group: number;
  wanted: MapAnaState;
  /** `failed`: the data plane or the epoch wait refused; tried again with `retry`. */
  phase: 'applied' | 'waiting' | 'failed';
  /** Grows with every decision about this slot: whoever waits compares it and knows that it was superseded. */
  generation: number;
}

/**
 * Brings the data plane to the ANA states of the maps (facts: msgr2.md §11, map rule 6).
 *
 * The latest map wins. Inaccessible is applied in the same turn, whatever else is under way. Optimized
 * with a store epoch waits for the epoch first, and is dropped if a newer map came while it waited: a
 * stale promotion would put a second optimized path beside the new owner's.
 */
export class AnaApplier {
  readonly #control: Pick<GatewayControl, 'setAnaState'>;
  readonly #waitForStoreEpoch: (epoch: number) => Promise<void>;
  readonly #onChange: () => void;
  readonly #log: (line: string) => void;
  readonly #slots = new Map<string, Slot[]>();
  #storeEpoch = 0;
  #closed = false;

  constructor(o: {
    control: Pick<GatewayControl, 'setAnaState'>;
    waitForStoreEpoch: (epoch: number) => Promise<void>;
    onChange: () => void;
    log: (line: string) => void;
  }) {
    this.#control = o.control;
    this.#waitForStoreEpoch = o.waitForStoreEpoch;
    this.#onChange = o.onChange;
    this.#log = o.log;
  }

  /** The newest epoch that was waited for *and* whose promotion is in force. */
  get storeEpoch(): number {
    return this.#storeEpoch;
  }

  get waiting(): number {
    let count = 0;
    for (const slots of this.#slots.values()) for (const slot of slots) if (slot.phase === 'waiting') count++;
    return count;
  }

  /** Takes over the ANA states of a map. A subsystem that the map no longer names is inaccessible in every group. */
  apply(subsystems: GatewayMapEntry['subsystems']): void {
    if (this.#closed) return;
    const named = new Map(subsystems.map((subsystem) => [subsystem.nqn, subsystem.ana]));
    for (const nqn of new Set([...this.#slots.keys(), ...named.keys()])) {
      const ana = named.get(nqn) ?? [];
      const known = this.#slots.get(nqn)?.length ?? 0;
      for (let index = 0; index < Math.max(ana.length, known); index++) {
        this.#want(this.#slot(nqn, index + 1), ana[index] ?? { state: 'INACCESSIBLE', osdEpoch: 0 });
      }
    }
  }

  /** Tries again what failed; called with every beacon. */
  retry(): void {
    if (this.#closed) return;
    for (const slots of this.#slots.values()) {
      for (const slot of slots) if (slot.phase === 'failed') this.#enforce(slot);
    }
  }

  /**
   * Gives a subsystem that the maps do not name yet the state that its group has in the others, as the
   * real gateway does (facts: msgr2.md §11, map rule 7). It is not remembered as told by the monitor.
   */
  async applyKnownTo(nqn: string): Promise<void> {
    if (this.#closed || this.#slots.has(nqn)) return;
    const groups = new Set<number>();
    for (const slots of this.#slots.values()) {
      for (const slot of slots) if (slot.wanted.state === 'OPTIMIZED' && slot.phase === 'applied') groups.add(slot.group);
    }
    await Promise.all([...groups].map((group) => this.#control.setAnaState(nqn, group, 'optimized')));
  }

  /** Nothing that still waits may be applied from now on. */
  close(): void {
    this.#closed = true;
  }

  #slot(nqn: string, group: number): Slot {
    let slots = this.#slots.get(nqn);
    if (slots === undefined) this.#slots.set(nqn, (slots = []));
    let slot = slots[group - 1];
    if (slot === undefined) {
      // Unknown before means inaccessible before: that is how the data plane starts.
      slot = { nqn, group, wanted: { state: 'INACCESSIBLE', osdEpoch: 0 }, phase: 'applied', generation: 0 };
      slots[group - 1] = slot;
    }
    return slot;
  }

  #want(slot: Slot, wanted: MapAnaState): void {
    const before = slot.wanted;
    if (before.state === wanted.state && before.osdEpoch === wanted.osdEpoch) return;
    slot.wanted = wanted;
    if (wanted.state === 'OPTIMIZED' && before.state === 'OPTIMIZED' && slot.phase === 'applied') {
      // The mon acknowledged the epoch (now 0), or names one that this gateway is at already.
      if (wanted.osdEpoch <= this.#storeEpoch) return;
      // A second takeover of a group that we were never told we had lost: someone else may have
      // served it in between. Step down until the store is past that owner's blocklist entry.
      this.#log(`${slot.nqn} group ${slot.group}: promoted again at epoch ${wanted.osdEpoch}, stepping down until then`);
      this.#set(slot, 'inaccessible').catch(() => undefined);
    }
    this.#enforce(slot);
  }

  #enforce(slot: Slot): void {
    const generation = ++slot.generation;
    slot.phase = 'waiting';
    const done = slot.wanted.state === 'OPTIMIZED' ? this.#promote(slot, generation) : this.#demote(slot, generation);
    done.catch((error: unknown) => {
      if (this.#superseded(slot, generation)) return;
      slot.phase = 'failed';
      this.#log(`${slot.nqn} group ${slot.group} ${slot.wanted.state}: ${messageOf(error)}; trying again with the next beacon`);
      this.#onChange();
    });
  }

  async #demote(slot: Slot, generation: number): Promise<void> {
    // Up to the call there is no await: it takes effect in the turn in which the map came. The promise
    // means "drained"; new commands are refused long before, so the slot counts as applied at once.
    const drained = this.#set(slot, 'inaccessible');
    slot.phase = 'applied';
    this.#onChange();
    await drained;
    if (!this.#superseded(slot, generation)) this.#onChange();
  }

  async #promote(slot: Slot, generation: number): Promise<void> {
    const { osdEpoch } = slot.wanted;
    if (osdEpoch !== 0) {
      await this.#waitForStoreEpoch(osdEpoch);
      if (this.#superseded(slot, generation)) return;
    }
    await this.#set(slot, 'optimized');
    if (this.#superseded(slot, generation)) return;
    slot.phase = 'applied';
    // Only now may a beacon carry the epoch: the mon takes it as "serving, and fenced from the old owner".
    this.#storeEpoch = Math.max(this.#storeEpoch, osdEpoch);
    this.#onChange();
  }

  #set(slot: Slot, state: 'optimized' | 'inaccessible'): Promise<void> {
    return this.#control.setAnaState(slot.nqn, slot.group, state);
  }

  #superseded(slot: Slot, generation: number): boolean {
    return this.#closed || slot.generation !== generation;
  }
}
