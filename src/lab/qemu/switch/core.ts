import { Random } from '../../../util/random.js';
import { ipv4Of, isGroupAddress, macAt, recordHeaderBytes, type Ipv4Header } from './frame.js';
import { Rule, ruleSchema, type RuleSpec } from './rules.js';

/** Bytes that may wait in delays at once; frames beyond that are lost, as in any switch whose memory is full. */
export const delayedMaxBytes = 64 * 1024 * 1024;

export interface PortCounters {
  /** Frames and bytes (without the length prefix) that the node sent. */
  fromFrames: number; fromBytes: number;
  /** … and that were passed on to it. */
  toFrames: number; toBytes: number;
  /** Discarded by a cut or the down phase of a flap, by a drop rule, or because a buffer was full: counted at the port whose rule or buffer it was. */
  cutFrames: number; droppedFrames: number; overflowFrames: number;
  delayedFrames: number;
}

export interface PortState extends PortCounters { fabric: string; node: string; rules: { id: number; hits: number; spec: RuleSpec }[] }

interface Port extends PortCounters { index: number; fabric: string; node: string; rules: Rule[] }
interface Waiting { dueMs: number; to: Port; record: Buffer }

export interface SwitchCoreOptions {
  seed: string;
  /** Passes a record on to a port's node; false if its buffer is full (the frame is lost then). */
  output: (port: number, record: Buffer) => boolean;
}

/**
 * Several learning layer-2 switches ("fabrics") in one, with faults per port: pure, no clock and no
 * sockets. Frames of one fabric never reach another.
 *
 * ```
 *   node ──record──▶ receive ─▶ `from` rules ─▶ learn source ─▶ one port, or all ─▶ `to` rules ─▶ output
 *                                    │                              (flooding)          │
 *                                    ╰── cut, drop: counted             delay: waits, in order, per pair of ports
 * ```
 * Frames that wait in a delay when a cut is added are on their way already and still arrive.
 */
export class SwitchCore {
  /** Sees every record that a node sends (before any rule) and every one that is passed on to a node. */
  tap: ((port: number, direction: 'from' | 'to', record: Buffer) => void) | undefined;
  readonly #options: SwitchCoreOptions;
  readonly #random: Random;
  readonly #ports: Port[] = [];
  /** Where an address was last seen, per fabric. */
  readonly #learned = new Map<string, Map<number, Port>>();
  /** Ordered by time, then by arrival. */
  readonly #waiting: Waiting[] = [];
  /** When the last frame between two ports is due, so that a shorter delay (or none) never overtakes. */
  readonly #lastDueMs = new Map<number, number>();
  #waitingBytes = 0;
  #nextRuleId = 1;

  constructor(options: SwitchCoreOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  addPort(fabric: string, node: string): number {
    if (this.#ports.some((p) => p.fabric === fabric && p.node === node)) throw new Error(`fabric ${fabric} already has a port for ${node}`);
    const index = this.#ports.length;
    this.#ports.push({
      index, fabric, node, rules: [],
      fromFrames: 0, fromBytes: 0, toFrames: 0, toBytes: 0, cutFrames: 0, droppedFrames: 0, overflowFrames: 0, delayedFrames: 0,
    });
    if (!this.#learned.has(fabric)) this.#learned.set(fabric, new Map());
    return index;
  }

  portIndex(fabric: string, node: string): number {
    const port = this.#ports.find((p) => p.fabric === fabric && p.node === node);
    if (port === undefined) throw new Error(`fabric ${fabric} has no port for ${node}`);
    return port.index;
  }

  /** Adds a rule and returns its id. Throws a ZodError for a malformed one, an Error for an unknown port. */
  addRule(spec: RuleSpec, nowMs: number): number {
    const checked = ruleSchema.parse(spec);
    const port = this.#ports[this.portIndex(checked.fabric, checked.node)]!;
    const id = this.#nextRuleId++;
    port.rules.push(new Rule(id, checked, nowMs, this.#random.fork(`rule ${id}`)));
    return id;
  }

  /** Removes one rule; false when there is none with this id. */
  removeRule(id: number): boolean {
    for (const port of this.#ports) {
      const at = port.rules.findIndex((r) => r.id === id);
      if (at < 0) continue;
      port.rules.splice(at, 1);
      return true;
    }
    return false;
  }

  /** Removes all rules and returns how many there were. */
  removeAllRules(): number {
    let count = 0;
    for (const port of this.#ports) count += port.rules.splice(0).length;
    return count;
  }

  state(): PortState[] {
    return this.#ports.map(({ index: _index, rules, ...port }) => ({ ...port, rules: rules.map((r) => ({ id: r.id, hits: r.hits, spec: r.spec })) }));
  }

  /** One record from a port's node. */
  receive(portIndex: number, record: Buffer, nowMs: number): void {
    const from = this.#ports[portIndex]!;
    from.fromFrames++;
    from.fromBytes += record.length - recordHeaderBytes;
    this.tap?.(portIndex, 'from', record);
    const entryDelayMs = this.#apply(from, 'from', true, '', noPacket, nowMs);
    if (entryDelayMs < 0) return;

    const table = this.#learned.get(from.fabric)!;
    table.set(macAt(record, recordHeaderBytes + 6), from);
    const destination = macAt(record, recordHeaderBytes);
    const known = isGroupAddress(destination) ? undefined : table.get(destination);
    // A known destination on the port it came from: the other side has it already.
    if (known === from) return;
    let parsed: Ipv4Header | undefined | null = null;
    const packet = (): Ipv4Header | undefined => {
      if (parsed === null) parsed = ipv4Of(record);
      return parsed;
    };
    if (known !== undefined) this.#forward(from, known, record, entryDelayMs, packet, nowMs);
    else for (const to of this.#ports) if (to !== from && to.fabric === from.fabric) this.#forward(from, to, record, entryDelayMs, packet, nowMs);
  }

  /** Sends what has waited long enough. */
  release(nowMs: number): void {
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count]!.dueMs <= nowMs) {
      const { to, record } = this.#waiting[count++]!;
      this.#waitingBytes -= record.length;
      this.#send(to, record);
    }
    this.#waiting.splice(0, count);
  }

  /** When `release` has something to do next, undefined when nothing waits. */
  get nextReleaseMs(): number | undefined {
    return this.#waiting[0]?.dueMs;
  }

  #forward(from: Port, to: Port, record: Buffer, entryDelayMs: number, packet: () => Ipv4Header | undefined, nowMs: number): void {
    const pairDelayMs = this.#apply(from, 'from', false, to.node, packet, nowMs);
    if (pairDelayMs < 0) return;
    const exitDelayMs = this.#apply(to, 'to', undefined, from.node, packet, nowMs);
    if (exitDelayMs < 0) return;
    const pair = from.index * 0x1_0000 + to.index;
    const delayMs = entryDelayMs + pairDelayMs + exitDelayMs;
    const dueMs = Math.max(nowMs + delayMs, this.#lastDueMs.get(pair) ?? 0);
    if (dueMs <= nowMs) {
      this.#send(to, record);
      return;
    }
    if (this.#waitingBytes + record.length > delayedMaxBytes) {
      to.overflowFrames++;
      return;
    }
    to.delayedFrames++;
    this.#lastDueMs.set(pair, dueMs);
    this.#waitingBytes += record.length;
    this.#insert({ dueMs, to, record });
  }

  /** The sum of the delays of a port's rules, or −1 when one of them discards the frame. */
  #apply(port: Port, direction: 'from' | 'to', matchesAll: boolean | undefined, peer: string, packet: () => Ipv4Header | undefined, nowMs: number): number {
    let delayMs = 0;
    for (const rule of port.rules) {
      if (!rule.concerns(direction) || (matchesAll !== undefined && rule.matchesAll !== matchesAll)) continue;
      if (!rule.matches(direction, peer, packet)) continue;
      const outcome = rule.apply(nowMs);
      if (typeof outcome === 'number') delayMs += outcome;
      else {
        if (outcome === 'cut') port.cutFrames++;
        else port.droppedFrames++;
        return -1;
      }
    }
    return delayMs;
  }

  #send(to: Port, record: Buffer): void {
    if (!this.#options.output(to.index, record)) {
      to.overflowFrames++;
      return;
    }
    to.toFrames++;
    to.toBytes += record.length - recordHeaderBytes;
    this.tap?.(to.index, 'to', record);
  }

  #insert(entry: Waiting): void {
    // Usually it belongs at the end: all frames of one rule wait equally long.
    let low = 0;
    let high = this.#waiting.length;
    if (high > 0 && this.#waiting[high - 1]!.dueMs <= entry.dueMs) low = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#waiting[middle]!.dueMs <= entry.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, entry);
  }
}

function noPacket(): undefined {
  return undefined;
}
