import { describe, expect, it } from 'vitest';
import { judge, listStalls } from '../verify/index.js';
import { twoHostRun } from '../verify/testing/two-hosts.js';
import { renderHtml } from './html.js';
import type { PageData } from './model/page-data.js';
import { samplesFromJournal } from './samples.js';
import { reportStalls } from './stalls.js';

describe('the HTML report of a run with two hosts', () => {
  it('says whose namespaces, lanes, stalls and I/O they are', { timeout: 60_000 }, async () => {
    const { input } = twoHostRun();
    const html = await renderHtml({
      plan: input.plan, events: input.events, verdict: await judge(input, 'run-1', false), repro: 'again', runDir: 'results/x',
      samples: await samplesFromJournal(input.journal), stalls: reportStalls(await listStalls(input)),
    });
    expect(html).toMatch(/Hosts<\/dt>\s*<dd>2</);
    expect(html).toContain('4 (2 of host1, 2 of host2)');
    // Namespaces 1 and 3 stall with their group: one belongs to host1, the other to host2.
    expect(html).toContain('ns 1 · host1');
    expect(html).toContain('ns 3 · host2');
    const data = JSON.parse(/<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)![1]!) as PageData;
    expect(data.namespaces.map(({ host }) => host)).toEqual(['host1', 'host2', 'host2', 'host1']);
    expect(new Set(data.samples.ns)).toEqual(new Set([1, 2, 3, 4]));
    const labels = data.blocks.flatMap(({ sections }) => sections.flatMap(({ lanes }) => lanes.map(({ label }) => label)));
    expect(labels).toEqual(expect.arrayContaining(['group 1 · monitor', 'group 1 · host1', 'group 1 · host2', 'host1 · ns 3 · group 1', 'host2 · ns 3 · group 1', 'host2']));
  });
});
