import type { PageData } from '../model/page-data.js';
import type { ChartOptions } from './chart.js';
import type { Formats, Page } from './context.js';
import type { Plot, PlotConstructor, Window } from './dom.js';

/** The page's functions, as html/script.ts ships them. */
export interface PageParts {
  createPage: (window: Window, data: PageData, Plot: PlotConstructor, formats: Formats) => Page;
  createChart: (page: Page, options: ChartOptions) => Plot;
  drawLanes: (page: Page) => void;
  drawLineCharts: (page: Page, createChart: PageParts['createChart']) => void;
  drawLatency: (page: Page, createChart: PageParts['createChart']) => void;
  drawEventLog: (page: Page) => void;
  wireControls: (page: Page) => void;
}

/**
 * Starts the page. One part that fails leaves the others working and says so on the page: a report with a
 * broken chart must not look like a run without I/O. `data-rendered` on the root element tells a test (or a
 * screenshot tool) that drawing is done and how much was drawn.
 */
export function startPage(window: Window, Plot: PlotConstructor, formats: Formats, parts: PageParts): void {
  const { document } = window;
  const root = document.documentElement;
  const problems = document.getElementById('script-errors')!;
  let failures = 0;
  const complain = (what: string, error: unknown): void => {
    failures++;
    root.dataset['errors'] = String(failures);
    problems.hidden = false;
    problems.append(`${what}: ${String(error).replace(/^Error: /, '')}. `);
  };
  window.addEventListener('error', (event) => complain('script', event.message ?? 'error'));
  const attempt = (what: string, part: () => void): void => {
    try {
      part();
    } catch (error) {
      complain(what, error);
    }
  };
  attempt('page', () => {
    const data = JSON.parse(document.getElementById('report-data')!.textContent ?? '') as PageData;
    const page = parts.createPage(window, data, Plot, formats);
    attempt('controls', () => parts.wireControls(page));
    attempt('throughput', () => parts.drawLineCharts(page, parts.createChart));
    attempt('latency', () => parts.drawLatency(page, parts.createChart));
    attempt('lanes', () => parts.drawLanes(page));
    attempt('event log', () => parts.drawEventLog(page));
    page.onDraw(() => {
      root.dataset['rendered'] = `${page.drawn.charts} charts, ${page.drawn.lanes} lanes, ${failures} errors`;
    });
    page.redraw();
  });
}
