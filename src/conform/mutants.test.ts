import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { differenceText } from './report.js';
import { mutants } from './testing/mutants.js';
import { conformVirtually } from './testing/virtual.js';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

describe('a model with a defect differs', () => {
  it.each(mutants.map((mutant) => [mutant.defect, mutant] as const))('%s', async (_, { create, schedule, finds }) => {
    const [result] = await conformVirtually({ schedules: [schedule], createModel: create });
    const differences = result!.attempts.at(-1)!.comparison.differences.map(differenceText);
    expect(result!.verdict, differences.join('\n')).toBe('differs');
    expect(differences.filter((text) => finds.test(text)), differences.join('\n')).not.toEqual([]);
  });

  it('while the honest one does not, in the same schedules', async () => {
    const results = await conformVirtually({ schedules: [...new Set(mutants.map(({ schedule }) => schedule))] });
    expect(results.map(({ schedule: { name }, verdict }) => `${name} ${verdict}`)).toEqual(results.map(({ schedule: { name } }) => `${name} same`));
  });
});
