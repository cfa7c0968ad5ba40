import { describe, expect, it } from 'vitest';
import { parseSummaries, runSteps, type Step } from './step.js';

/** A thing that is there or not, and how often it was made. */
function thing(title: string, works = true): Step & { made: number } {
  let there = false;
  const step = {
    title, made: 0,
    isDone: () => Promise.resolve(there),
    make: () => {
      step.made += 1;
      there = works;
      return Promise.resolve();
    },
  };
  return step;
}

async function said(first: readonly Step[], then: readonly Step[] = []): Promise<string[]> {
  const lines: string[] = [];
  let clock = 0;
  await runSteps('gw1', first, () => Promise.resolve(then), (line) => lines.push(line), () => (clock += 1_500));
  return lines;
}

describe('runSteps', () => {
  it('makes what is missing, and a second time nothing', async () => {
    const steps = [thing('addresses'), thing('packages')];
    expect(await said([steps[0]!], [steps[1]!])).toEqual([
      '[pathproof] gw1: changed   addresses (1.5 s)', '[pathproof] gw1: changed   packages (1.5 s)', '[pathproof] gw1: 2 steps, 2 changed (3.0 s)',
    ]);
    expect(await said(steps)).toEqual([
      '[pathproof] gw1: unchanged addresses (1.5 s)', '[pathproof] gw1: unchanged packages (1.5 s)', '[pathproof] gw1: 2 steps, 0 changed (3.0 s)',
    ]);
    expect(steps.map(({ made }) => made)).toEqual([1, 1]);
  });

  it('ends with the name and the evidence of a step that did not help, and leaves out those behind it', async () => {
    const useless = { ...thing('mon', false), evidence: () => Promise.resolve('its log') };
    const behind = thing('osd');
    await expect(said([useless, behind])).rejects.toThrow('gw1: step "mon": it was made, and still is not there\nits log');
    expect(behind.made).toBe(0);
  });

  it('keeps the cause when even the evidence fails', async () => {
    const step: Step = { title: 'x', isDone: () => Promise.reject(new Error('no such program')), make: () => Promise.resolve(), evidence: () => Promise.reject(new Error('no log')) };
    await expect(said([step])).rejects.toThrow('no such program\n(no evidence: Error: no log)');
  });
});

describe('parseSummaries', () => {
  const output = [
    '    gw1: [pathproof] gw1: unchanged addresses (0.1 s)', '    ceph: [pathproof] ceph: changed   ceph: pool rbd (2.0 s)',
    '    gw1: [pathproof] gw1: 1 steps, 0 changed (0.1 s)', '    ceph: [pathproof] ceph: 7 steps, 1 changed (9.9 s)', '    host1: [pathproof] host1: changed   addresses (1.0 s)',
  ].join('\n');

  it('says what each node has changed, and leaves out the node that did not get to its end', () => {
    expect(parseSummaries(output)).toEqual(new Map([
      ['gw1', { steps: 1, changed: 0, changedTitles: [] }], ['ceph', { steps: 7, changed: 1, changedTitles: ['ceph: pool rbd'] }],
    ]));
  });

  it('reads what runSteps writes', async () => {
    const lines = await said([thing('a (b)'), thing('c')]);
    expect(parseSummaries(lines.map((line) => `    gw1: ${line}\r`).join('\n')).get('gw1')).toEqual({ steps: 2, changed: 2, changedTitles: ['a (b)', 'c'] });
  });
});
