import { z } from 'zod';
import { parseIpv4, type Ipv4Header } from './frame.js';
import type { Random } from '../../../util/random.js';

/**
 * What can be done to one end of a link. `from`: frames that the node sends; `to`: frames on their way
 * to it. Several rules on one port add up: each is asked, one that discards wins, delays are summed.
 */
export const ruleDirections = ['from', 'to', 'both'] as const;

const delayMsSchema = z.number().int().min(1).max(60_000);
export const ruleActionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('cut') }),
  z.strictObject({ kind: z.literal('delay'), delayMs: delayMsSchema, jitterMs: z.number().int().min(0).max(60_000).default(0) }),
  z.strictObject({ kind: z.literal('drop'), percent: z.number().gt(0).max(100) }),
  /** Up first, then down, and so on; the phase starts when the rule is added. */
  z.strictObject({ kind: z.literal('flap'), upMs: delayMsSchema, downMs: delayMsSchema }),
]);

/** Narrows a rule to the traffic with one peer: by the node, its IPv4 address, its TCP or UDP ports. All given parts must match. */
export const ruleMatchSchema = z.strictObject({
  node: z.string().optional(),
  ipv4: z.ipv4().optional(),
  portFirst: z.number().int().min(1).max(65_535).optional(),
  portLast: z.number().int().min(1).max(65_535).optional(),
});

export const ruleSchema = z.strictObject({
  fabric: z.string(),
  node: z.string(),
  direction: z.enum(ruleDirections),
  match: ruleMatchSchema.optional(),
  action: ruleActionSchema,
});
export type RuleSpec = z.input<typeof ruleSchema>;
export type RuleAction = z.output<typeof ruleActionSchema>;

/** What happens to one frame at one rule; a delay in ms otherwise. */
export type RuleOutcome = 'cut' | 'drop' | number;

export class Rule {
  readonly id: number;
  readonly spec: z.output<typeof ruleSchema>;
  /** Frames that the rule discarded or delayed. */
  hits = 0;
  readonly #sinceMs: number;
  readonly #random: Random;
  readonly #ipv4: number | undefined;

  constructor(id: number, spec: z.output<typeof ruleSchema>, nowMs: number, random: Random) {
    this.id = id;
    this.spec = spec;
    this.#sinceMs = nowMs;
    this.#random = random;
    this.#ipv4 = spec.match?.ipv4 === undefined ? undefined : parseIpv4(spec.match.ipv4);
  }

  /** Does it concern frames in this direction? */
  concerns(direction: 'from' | 'to'): boolean {
    return this.spec.direction === 'both' || this.spec.direction === direction;
  }

  /** A rule without a match is decided as the frame enters the switch, before it is known where it goes. */
  get matchesAll(): boolean {
    return this.spec.match === undefined;
  }

  matches(direction: 'from' | 'to', peerNode: string, packet: () => Ipv4Header | undefined): boolean {
    const { match } = this.spec;
    if (match === undefined) return true;
    if (match.node !== undefined && match.node !== peerNode) return false;
    if (this.#ipv4 === undefined && match.portFirst === undefined) return true;
    const header = packet();
    if (header === undefined) return false;
    const address = direction === 'from' ? header.destination : header.source;
    if (this.#ipv4 !== undefined && address !== this.#ipv4) return false;
    if (match.portFirst === undefined) return true;
    const port = direction === 'from' ? header.destinationPort : header.sourcePort;
    return port >= match.portFirst && port <= (match.portLast ?? match.portFirst);
  }

  apply(nowMs: number): RuleOutcome {
    const outcome = this.#decide(nowMs);
    if (outcome !== 0) this.hits++;
    return outcome;
  }

  #decide(nowMs: number): RuleOutcome {
    const { action } = this.spec;
    switch (action.kind) {
      case 'cut': return 'cut';
      case 'drop': return this.#random.percent(action.percent) ? 'drop' : 0;
      case 'delay': return action.delayMs + (action.jitterMs === 0 ? 0 : this.#random.int(action.jitterMs + 1));
      case 'flap': return (nowMs - this.#sinceMs) % (action.upMs + action.downMs) < action.upMs ? 0 : 'cut';
    }
  }
}
