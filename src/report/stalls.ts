import type { Stall } from '../verify/index.js';
import type { ReportStall } from './types.js';

export type StallVerdict = NonNullable<ReportStall['judgement']>;

/** The checker's word if there is one, else the plain comparison. */
export function stallVerdict(stall: ReportStall): StallVerdict {
  return stall.judgement ?? (stall.toUs - stall.fromUs > stall.allowedMs * 1_000 ? 'over' : 'within');
}

/**
 * The availability checker's stalls as the report shows them. `allowedMs` is what the checker allowed this very
 * stall (its length minus its excess): in a window that lasts until the heal, that is more than the named bound.
 */
export function reportStalls(stalls: readonly Stall[]): ReportStall[] {
  return stalls.map((stall) => ({
    ns: stall.nsid,
    fromUs: stall.fromUs,
    toUs: stall.toUs,
    allowedMs: (stall.durationUs - stall.excessUs) / 1_000,
    attribution: stall.fault === undefined ? `no fault; bound ${stall.boundName}` : `${stall.fault}${stall.reason === undefined ? '' : `: ${stall.reason}`}; bound ${stall.boundName}`,
    judgement: stall.judgement,
  }));
}
