import type { CheckResult, Evidence, RunVerdict, Verdict } from '../../verify/types.js';
import type { SampleOptions } from './sample-plan.js';

/** What the checkers of the sample prove, one sentence each. */
export const sampleProves: Record<string, string> = {
  integrity: 'Every read returned the newest acknowledged version of its block, or one whose write was still open.',
  availability: 'No namespace stood still for longer than the bound that its faults allow.',
  'single-optimized': 'No namespace had two optimized live paths outside declared hand-over windows.',
  convergence: 'After the last heal every ANA group was optimized exactly once, at its own gateway, within the bound.',
  inventory: 'All namespaces and controllers were back at the end with unchanged identities.',
  'fault-took': 'Each fault, and each heal, was seen by an observer other than its injector.',
  vacuity: 'There was I/O in every window that another checker judged.',
  'self-watch': 'No process of the harness stood still for long enough to fake or hide a stall.',
};

export function sampleVerdict(runId: string, t0Us: number, options: SampleOptions): RunVerdict {
  const at = (seconds: number): number => t0Us + seconds * 1e6;
  const pass = (checker: string, summary: string, metrics: Record<string, number>, evidence: Evidence[] = []): CheckResult => ({ checker, verdict: 'pass', summary, evidence, metrics });
  const checks: CheckResult[] = [
    pass('integrity', '48,211 operations on 12,288 blocks are linearizable; re-read at once and after 1.5 s', { operations: 48_211, blocks: 12_288, lostWrites: 0, staleReads: 0, tornBlocks: 0, misdirectedBlocks: 0 }),
    pass('availability', 'longest stall 1.07 s of 1.50 s allowed (ns 1, F1 injected)', { stallMaxMs: 1_069, quietStallMaxMs: 44, stalls: 4 }, [{ text: 'ns 1 stood still for 1,069 ms of 1,500 ms allowed after the kill of gw1', tUs: at(5.4), toUs: at(6.469) }]),
    pass('single-optimized', 'at most one optimized path per namespace in 1,760 samples, largest gap 12 ms', { overlapMaxMs: 0, samples: 1_760, gapMaxMs: 12 }),
    pass('convergence', 'all groups home 1.32 s after the heal, bound 2.85 s', { convergedAfterMs: 1_320, boundMs: 2_850 }),
    pass('inventory', 'namespaces and controllers back, identities unchanged', { namespaces: 4, controllers: 2 }),
    pass('fault-took', '1 fault injected and healed, both confirmed independently', { faults: 1 }, [{ text: 'kill-gw1 confirmed by the process table: pid 21405 gone, its listener refuses connections', tUs: at(5.448), events: [402] }]),
    pass('vacuity', 'I/O in every judged window, at least 912 operations', { operationsMin: 912 }),
    pass('self-watch', 'longest loop delay 31 ms, below the 100 ms that a stall of 300 ms needs', { loopDelayMaxMs: 31 }),
  ];
  const hostile = options.hostile ?? '';
  const replace = (checker: string, verdict: Verdict, summary: string, metrics: Record<string, number>, evidence: Evidence[]): void => {
    checks[checks.findIndex((check) => check.checker === checker)] = { checker, verdict, summary: summary + hostile, evidence, metrics };
  };
  if (options.broken === true) {
    replace('integrity', 'fail', '2 acknowledged writes lost: the old owner of group 1 wrote after the takeover', { operations: 48_211, blocks: 12_288, lostWrites: 2, staleReads: 5, tornBlocks: 0, misdirectedBlocks: 0 }, [
      { text: 'ns 1 LBA 2117: version 1.20,412 was acknowledged at 6.481 s by gw2; every later read finds version 1.19,877, written through gw1 and acknowledged at 5.391 s', tUs: at(5.391), toUs: at(13.702), ops: [19_877, 20_412, 47_010] },
      { text: `ns 1 LBA 2118: the same write, second block${hostile}`, tUs: at(5.391), toUs: at(13.702), ops: [19_877, 20_412, 47_011] },
    ]);
    replace('availability', 'fail', 'ns 1 stood still for 1.97 s, bound 1.50 s (takeover)', { stallMaxMs: 1_969, quietStallMaxMs: 44, stalls: 4 }, [
      { text: 'ns 1: no completion between 5.399 s and 7.369 s; bound "takeover" 1,500 ms = 700 beacon grace + 100 tick + 200 blocklist + 150 ANA log + 350 slack', tUs: at(5.399), toUs: at(7.369), events: [398, 402, 466] },
    ]);
    replace('single-optimized', 'fail', 'ns 1 had two optimized live paths (gw1, gw2) for 400 ms, 150 ms allowed', { overlapMaxMs: 400, samples: 1_760, gapMaxMs: 12 }, [
      { text: 'ns 1: gw1 and gw2 both optimized on live controllers', tUs: at(11.02), toUs: at(11.42), events: [910, 934] },
    ]);
    replace('self-watch', 'unknown', 'the host process stood still for 412 ms: a stall shorter than that may be the harness', { loopDelayMaxMs: 412 }, [{ text: 'host1: loop delay 412 ms', tUs: at(8.25), toUs: at(8.5) }]);
  }
  return { format: 1, runId, verdict: options.broken === true ? 'fail' : 'pass', interrupted: false, checks };
}
