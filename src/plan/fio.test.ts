import { describe, expect, it } from 'vitest';
import { planScenario } from './planner.js';
import { parseSuite, type Scenario } from './scenario.js';
import { skipReason } from './fits.js';
import type { FioJobInput } from './fio.js';

function scenario(fio: unknown[], more: Partial<Scenario> = {}): Scenario {
  return { name: 'a', title: 'A scenario', description: 'do something.', steps: [{ do: 'run', forMs: 1 }], ...more, fio: fio as FioJobInput[] };
}
function plan(fio: unknown[], more: Partial<Scenario> = {}) {
  const { scenarios } = parseSuite({ name: 's', scenarios: [scenario(fio, more)] }, 'test.suite.ts');
  return planScenario('s', scenarios[0]!, { seed: '1', lab: 'loopback' });
}

describe('fio jobs of a scenario', () => {
  it('have defaults that verify, and every phase that the proof needs', () => {
    const [job] = plan([{ name: 'mix' }]).fio!;
    expect(job).toMatchObject({
      name: 'mix', host: 'host1', mode: 'randrw', readPercent: 50, blockBytes: 4_096, queueDepth: 4, engine: 'libaio', end: { by: 'load' },
      verify: { method: 'crc32c', backlogBlocks: 256 }, onIoError: 'stop', log: true, phases: ['prefill', 'main', 'verify'],
    });
    // Four namespaces, one of them idle; the stamp workload keeps its first 4 MiB of 16.
    expect(job!.sections.map(({ nsid }) => nsid)).toEqual([1, 2, 3]);
    expect(job!.sections[0]).toMatchObject({ name: 'ns1', offsetBytes: 4 * 1_048_576, sizeBytes: 12 * 1_048_576 });
  });

  it('are the same for the same seed, and no plan without fio has any', () => {
    expect(plan([{ name: 'mix' }])).toEqual(plan([{ name: 'mix' }]));
    expect(plan([{ name: 'mix' }]).fio![0]!.seed).not.toBe(plan([{ name: 'mux' }]).fio![0]!.seed);
    expect('fio' in planScenario('s', { name: 'a', title: 'A scenario', description: 'do.', steps: [{ do: 'run', forMs: 1 }] }, { seed: '1', lab: 'loopback' })).toBe(false);
  });

  it('share what the stamp workload leaves, without overlap', () => {
    const jobs = plan([{ name: 'one', namespaces: [1] }, { name: 'two', namespaces: [1, 2] }]).fio!;
    const [a] = jobs[0]!.sections;
    const [b, c] = jobs[1]!.sections;
    expect([a!.offsetBytes, a!.sizeBytes, b!.offsetBytes, b!.sizeBytes]).toEqual([4, 6, 10, 6].map((n) => n * 1_048_576));
    expect([c!.offsetBytes, c!.sizeBytes]).toEqual([4, 12].map((n) => n * 1_048_576));
  });

  it('run on one host, on namespaces of that host', () => {
    const two = (fio: unknown[]) => plan(fio, { lab: { hosts: 2, namespaces: 5 } }).fio!;
    const jobs = two([{ name: 'here' }, { name: 'there', host: 'host2' }, { name: 'rest', namespaces: 'idle' }, { name: 'one', host: 'host2', namespaces: [4] }]);
    // Five namespaces in turn, the last of them idle.
    expect(jobs.map(({ host, sections }) => `${host} ${sections.map(({ nsid }) => nsid).join()}`)).toEqual(['host1 1,3', 'host2 2,4', 'host1 5', 'host2 4']);
    expect(jobs[1]!.sections[1]!.offsetBytes + jobs[1]!.sections[1]!.sizeBytes).toBe(jobs[3]!.sections[0]!.offsetBytes);
    expect(() => two([{ name: 'x', namespaces: [2] }])).toThrow(/fio\.0 \(x\)\.namespaces: namespace 2 belongs to host2, the job runs on host1/);
    expect(() => two([{ name: 'x', host: 'host2', namespaces: 'idle' }])).toThrow(/no namespace of host2 is idle/);
  });

  it('verify nothing, and need one phase, when told so', () => {
    expect(plan([{ name: 'raw', verify: false, mode: 'randread', passes: 2 }]).fio![0]).toMatchObject({ verify: null, phases: ['main'], readPercent: 100, end: { by: 'passes', count: 2 } });
  });

  it.each<[string, unknown[], RegExp]>([
    ['a name twice', [{ name: 'x', namespaces: [1] }, { name: 'x', namespaces: [2] }], /fio\.1 \(x\)\.name/],
    ['a namespace that is not there', [{ name: 'x', namespaces: [9] }], /fio\.0 \(x\)\.namespaces: there is no namespace 9/],
    ['a host that is not there', [{ name: 'x', host: 'host7' }], /there is no host host7/],
    ['blocks of the stamp workload', [{ name: 'x', offsetMiB: 1, sizeMiB: 1 }], /first 4 MiB of a namespace belong to the stamp workload/],
    ['a region behind the end', [{ name: 'x', offsetMiB: 15, sizeMiB: 2 }], /ends behind namespace 1, which has 16 MiB/],
    ['a region of another job', [{ name: 'x', offsetMiB: 5, sizeMiB: 4 }, { name: 'y', offsetMiB: 8, sizeMiB: 1 }], /overlaps that of x on namespace 1/],
    ['half a block', [{ name: 'x', blockBytes: 2_048 }], /2048 is no multiple of the block size 4096/],
    ['both ends', [{ name: 'x', runtimeMs: 1_000, passes: 1 }], /by runtimeMs or by passes/],
    ['a trap among the options', [{ name: 'x', options: { do_verify: 0 } }], /fio\.0\.options\.do_verify: pathproof sets this option itself/],
    ['a weak check', [{ name: 'x', verify: { method: 'pattern' } }], /fio\.0\.verify/],
    ['an option that would become another line', [{ name: 'x', options: { nice: '1\n[x]' } }], /no line break/],
    ['a field that does not exist', [{ name: 'x', colour: 'red' }], /unknown field "colour"/],
    ['a mixture of reads only', [{ name: 'x', mode: 'randread', readPercent: 10 }], /randread is no mixture/],
  ])('are refused with %s', (_, fio, message) => {
    expect(() => plan(fio)).toThrow(message);
  });

  it('keep a scenario off a lab whose host has no block devices, with the reason', () => {
    expect(skipReason(scenario([{ name: 'x' }]), 'loopback')).toMatch(/needs a block device/);
    expect(skipReason({ name: 'a', title: 'A scenario', description: 'do.', steps: [] }, 'loopback')).toBeUndefined();
  });
});

describe('thresholds of a scenario', () => {
  it('are in the plan, each as checker and metric', () => {
    const { scenarios } = parseSuite({ name: 's', scenarios: [{ name: 'a', title: 'A scenario', description: 'do.', steps: [{ do: 'run', forMs: 1 }], expect: { thresholds: { 'availability.*.stallMaxMs': { max: 4_000, reason: 'the product promises it' } } } }] }, 'x');
    expect(planScenario('s', scenarios[0]!, { seed: '1', lab: 'loopback' }).expect.thresholds).toEqual([{ checker: 'availability', metric: '*.stallMaxMs', max: 4_000, reason: 'the product promises it' }]);
  });
  it.each<[string, unknown, RegExp]>([
    ['no limit', { 'availability.stallMaxMs': {} }, /needs min, max or equals/],
    ['no checker', { stallMaxMs: { max: 1 } }, /<checker>\.<metric>/],
    ['a word', { 'availability.stallMaxMs': { max: 'ten' } }, /expected number/],
  ])('are refused with %s', (_, thresholds, message) => {
    expect(() => parseSuite({ name: 's', scenarios: [{ name: 'a', title: 'A scenario', description: 'do.', steps: [{ do: 'run', forMs: 1 }], expect: { thresholds } }] }, 'x')).toThrow(message);
  });
});
