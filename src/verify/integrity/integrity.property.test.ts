import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLinearizable } from '../testing/brute-force.js';
import type { RegisterOp } from '../testing/brute-force.js';
import { journalOf } from '../testing/journal.js';
import type { OpSpec } from '../testing/journal.js';
import { testPlan } from '../testing/plan.js';
import { integrity } from './index.js';

const journals = 2;

interface Draft {
  isWrite: boolean;
  fromUs: number;
  lengthUs: number;
  /** Reads: which of the values is returned. Writes: picks the outcome. */
  pick: number;
  journal: number;
}

const draft = (span: number): fc.Arbitrary<Draft> => fc.record({
  isWrite: fc.boolean(), fromUs: fc.integer({ min: 1, max: span }), lengthUs: fc.integer({ min: 0, max: Math.ceil(span / 2) }), pick: fc.nat(99), journal: fc.nat(journals - 1),
});

/** Small spans make ties and concurrency common, larger ones make most histories nearly sequential. */
const drafts = fc.integer({ min: 3, max: 24 }).chain((span) => fc.array(draft(span), { minLength: 1, maxLength: 9 }));

/** The same history for the checker and for the oracle. */
function build(all: readonly Draft[], plausible: boolean): { specs: OpSpec[]; oracle: RegisterOp[] } {
  const specs: OpSpec[] = [];
  const oracle: RegisterOp[] = [];
  const values = [0, ...all.flatMap(({ isWrite }, i) => (isWrite ? [i + 1] : []))];
  for (const [i, { isWrite, fromUs, lengthUs, pick, journal }] of all.entries()) {
    const toUs = fromUs + lengthUs;
    if (isWrite) {
      const value = i + 1;
      const outcome = pick < 60 ? 'ok' : pick < 80 ? 'info' : 'fail';
      const sends = outcome !== 'ok' && pick % 4 === 0 ? 0 : 1;
      const ends = pick < 95;
      specs.push({ what: 'write', version: value, fromUs, toUs: ends ? toUs : undefined, outcome, sends, journal });
      if (sends === 0 && ends) continue;
      oracle.push({ what: 'write', value, fromUs, toUs: outcome === 'ok' && ends ? toUs : Infinity });
    } else {
      const outcome = pick >= 97 ? 'fail' : 'ok';
      // Plausible: the value of a write that began before the read ended, so that most histories are nearly right.
      const candidates = plausible ? values.filter((value) => value === 0 || all[value - 1]!.fromUs <= toUs) : values;
      const value = candidates[pick % candidates.length]!;
      specs.push({ what: 'read', found: [value], fromUs, toUs, outcome, journal });
      if (outcome === 'ok') oracle.push({ what: 'read', value, fromUs, toUs });
    }
  }
  return { specs, oracle };
}

/** What a real register would have answered with some linearization points, so that the history is right by construction. */
function buildRight(all: readonly Draft[]): OpSpec[] {
  const points = all.map(({ fromUs, lengthUs, pick }, i) => ({ i, at: fromUs + (lengthUs * pick) / 99 })).sort((a, b) => a.at - b.at || a.i - b.i);
  let value = 0;
  const specs: OpSpec[] = new Array<OpSpec>(all.length);
  for (const { i } of points) {
    const { isWrite, fromUs, lengthUs, journal } = all[i]!;
    const toUs = fromUs + lengthUs;
    if (isWrite) value = i + 1;
    specs[i] = isWrite ? { what: 'write', version: value, fromUs, toUs, journal } : { what: 'read', found: [value], fromUs, toUs, journal };
  }
  return specs;
}

async function fails(specs: readonly OpSpec[]): Promise<boolean> {
  const result = await integrity.check({ plan: testPlan(), events: [], historyProblems: [], journal: journalOf([...specs]) });
  // Problems of the journal itself would hide disagreements.
  expect(result.evidence.filter(({ text }) => text.startsWith('journal:'))).toEqual([]);
  expect(result.evidence.filter(({ text }) => text.includes('not explained'))).toEqual([]);
  return result.verdict === 'fail';
}

describe('integrity against exhaustive search', () => {
  for (const plausible of [true, false]) {
    it(`agrees on ${plausible ? 'plausible' : 'arbitrary'} histories with concurrency, ties, info, unsent and unfinished operations`, async () => {
      const seen = { right: 0, wrong: 0 };
      await fc.assert(
        fc.asyncProperty(drafts, async (all) => {
          const { specs, oracle } = build(all, plausible);
          const right = isLinearizable(oracle);
          seen[right ? 'right' : 'wrong'] += 1;
          expect(await fails(specs)).toBe(!right);
        }),
        { numRuns: 6_000 },
      );
      // Both answers have to be common, or the agreement would mean little.
      expect(seen.right).toBeGreaterThan(300);
      expect(seen.wrong).toBeGreaterThan(300);
    }, 120_000);
  }

  it('accepts every history that a real register produced', async () => {
    await fc.assert(
      fc.asyncProperty(drafts, async (all) => {
        expect(await fails(buildRight(all))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  }, 120_000);

  it('judges each block of a multi-block operation as a register of its own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(draft(12), fc.nat(2), fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 7 }), async (all) => {
        const blocks = [0, 1, 2, 3, 4];
        const oracles: RegisterOp[][] = blocks.map(() => []);
        const writers = blocks.map((lba) => [0, ...all.flatMap(([{ isWrite }, slba, nlb], i) => (isWrite && lba >= slba && lba < slba + nlb ? [i + 1] : []))]);
        const specs = all.map(([{ isWrite, fromUs, lengthUs, pick, journal }, slba, nlb], i): OpSpec => {
          const covered = blocks.filter((lba) => lba >= slba && lba < slba + nlb);
          const toUs = fromUs + lengthUs;
          if (isWrite) {
            for (const lba of covered) oracles[lba]!.push({ what: 'write', value: i + 1, fromUs, toUs });
            return { what: 'write', version: i + 1, fromUs, toUs, slba, nlb, journal };
          }
          const found = covered.map((lba) => {
            const value = writers[lba]![(pick + lba) % writers[lba]!.length]!;
            oracles[lba]!.push({ what: 'read', value, fromUs, toUs });
            return value;
          });
          return { what: 'read', found, fromUs, toUs, slba, journal };
        });
        expect(await fails(specs)).toBe(!oracles.every((ops) => isLinearizable(ops)));
      }),
      { numRuns: 2_000 },
    );
  }, 120_000);
});
