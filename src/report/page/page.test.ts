import { createContext, runInContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../html.js';
import { pageScript } from '../html/script.js';
import { fakeBrowser, FakeElement, FakePlot, type FakeBrowser } from '../testing/fake-dom.js';
import { sampleRun } from '../testing/sample-run.js';

/** Lets the page's animation frames (microtasks in the fake) run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function open(html: string): Promise<FakeBrowser> {
  const browser = fakeBrowser(html);
  FakePlot.made = [];
  // Nothing but these two: a reference to anything in a module, or to Node, is an error here as in a browser.
  runInContext(pageScript(), createContext({ window: browser.window, uPlot: FakePlot }));
  await settle();
  return browser;
}

describe('the page, on a small DOM of our own', () => {
  let html: string;
  let browser: FakeBrowser;
  beforeAll(async () => {
    html = await renderHtml(await sampleRun());
    browser = await open(html);
  }, 120_000);

  it('draws all charts and lanes without an error', () => {
    expect(browser.byId('script-errors').textContent).toBe('');
    // 6 owner lanes, 4 namespaces, 2 × (process, availability, controller, 2 group states, 4 paths), 4 other nodes.
    expect(browser.root.dataset['rendered']).toBe('3 charts, 32 lanes, 0 errors');
  });

  it('refers to no import of the modules it was written in', () => {
    expect(pageScript()).not.toMatch(/__vi_import|__vite_ssr|require\(|\bimport\b/);
  });

  it('draws a lane per path with its states from the kill to the return', () => {
    const lanes = browser.byId('lanes').querySelectorAll('.lane-drawing');
    const labels = lanes.map((lane) => lane.attributes.get('aria-label') ?? '');
    const path = labels.find((label) => label.startsWith('ns 1 · group 1: optimized') && label.includes('connecting'));
    expect(path).toMatch(/optimized 0\.\d+ s to 5\.40\d s; .*connecting 5\.40\d s to 9\.5\d+ s; .*inaccessible 9\.59\d s to 10\.3\d+ s; optimized 10\.3\d+ s to 17\.600 s/);
    expect(lanes.every((lane) => lane.children.length > 1)).toBe(true);
  });

  it('paints faults on every chart and each sample once', () => {
    expect(FakePlot.made).toHaveLength(3);
    for (const plot of FakePlot.made) expect(plot.calls.some((call) => call.startsWith('fillText F1 gateway-kill gw1'))).toBe(true);
    const latency = FakePlot.made[2]!;
    const data = JSON.parse(browser.byId('report-data').textContent) as { samples: { t: number[] } };
    expect(latency.columns[0]).toHaveLength(data.samples.t.length);
    expect(data.samples.t.length).toBeGreaterThan(5_000);
  });

  it('zooms all charts to a fault by its button', async () => {
    const button = browser.byId('fault-buttons').children[0] as FakeElement;
    browser.click(button);
    await settle();
    for (const plot of FakePlot.made) {
      expect(plot.xRange.min).toBeGreaterThan(3);
      expect(plot.xRange.max).toBeLessThan(12);
    }
    expect(browser.byId('range').textContent).toMatch(/^3\.\d+ s – 11\.\d+ s/);
    browser.byId('time').send('keydown', { key: '0', target: Object.assign(new FakeElement('div'), { tagName: 'DIV' }) as never });
    await settle();
    expect(FakePlot.made[0]!.xRange.min).toBe(0);
  });

  it('filters the event log by words, numbers, kind and attention', () => {
    const rows = (): string[] => browser.byId('log-rows').children.map((row) => (row as FakeElement).textContent);
    const all = rows().length;
    const filter = browser.byId('log-filter');
    filter.value = 'gw1 SIGKILL';
    filter.send('input');
    expect(rows()).toHaveLength(1);
    expect(rows()[0]).toContain('gw1 (gateway) killed');
    filter.value = '#1';
    filter.send('input');
    expect(rows()).toHaveLength(1);
    expect(rows()[0]).toContain('run 20250304T050607Z');
    filter.value = '';
    filter.send('input');
    expect(rows()).toHaveLength(all);
    const kinds = browser.byId('log-kinds').children as FakeElement[];
    browser.click(kinds.find((kind) => kind.textContent === 'path')!);
    expect(rows().length).toBeLessThan(all);
    expect(browser.byId('log-count').textContent).toMatch(/^\d+ of \d+ events$/);
  });

  it('keeps the other parts when one fails, and says so', async () => {
    const broken = fakeBrowser(html);
    const plot = class extends FakePlot {
      constructor(...all: ConstructorParameters<typeof FakePlot>) {
        super(...all);
        throw new Error('no canvas here');
      }
    };
    runInContext(pageScript(), createContext({ window: broken.window, uPlot: plot }));
    await settle();
    expect(broken.byId('script-errors').hidden).toBe(false);
    expect(broken.byId('script-errors').textContent).toContain('throughput: no canvas here');
    expect(broken.root.dataset['errors']).toBe('2');
    expect(broken.byId('lanes').querySelectorAll('.lane-drawing')).toHaveLength(32);
  });

  it('folds the lanes of a large lab and draws them when they are unfolded', async () => {
    const large = await open(await renderHtml(await sampleRun({ gateways: 16, namespaces: 64 })));
    const count = (): number => large.byId('lanes').querySelectorAll('.lane-drawing').length;
    expect(large.root.dataset['errors']).toBeUndefined();
    const before = count();
    expect(before).toBeLessThan(120);
    const fold = large.byId('lanes').querySelectorAll('.lane-fold').find((each) => each.textContent.startsWith('paths (host)'))!;
    fold.open = true;
    fold.send('toggle');
    expect(count()).toBe(before + 64);
  }, 120_000);
});
