import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { safeguards } from '../monitor/index.js';
import { catalog } from './catalog/index.js';
import { resultLines } from './report.js';
import { conformVirtually } from './testing/virtual.js';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

describe('the catalog', () => {
  it('has schedules of different names, whose gateways exist', () => {
    expect(new Set(catalog.map(({ name }) => name)).size).toBe(catalog.length);
    for (const { name, gateways, steps } of catalog) {
      const created = new Set<string>(gateways);
      for (const step of steps) {
        if (step.do === 'create') created.add(step.gateway);
        if ('gateway' in step && step.gateway !== 'ghost') expect(created, name).toContain(step.gateway);
      }
    }
  });

  const batch = 6;
  const batches = Array.from({ length: Math.ceil(catalog.length / batch) }, (_, i) => catalog.slice(i * batch, (i + 1) * batch).map(({ name }) => name));

  it.each(batches.map((names) => [names.join(', '), names]))('is the same on the model and on itself, but for each safeguard where it says so: %s', async (_, names) => {
    const results = await conformVirtually({ schedules: names });
    const odd = results.filter(({ schedule, verdict }) => verdict !== (schedule.known === undefined ? 'same' : 'known'));
    expect(odd.flatMap((result) => resultLines(result))).toEqual([]);
  }, 120_000);

  it('exercises every safeguard that states can show', () => {
    const shown = new Set(catalog.flatMap(({ known }) => (known === undefined ? [] : [known.safeguard])));
    // What is forgotten with a record is on no monitor's screen.
    expect(safeguards.filter((name) => !shown.has(name))).toEqual(['fence-before-forgetting']);
  });
});
