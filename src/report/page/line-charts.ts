import type { SeriesSet } from '../model/series.js';
import type { ChartOptions, ChartSeries } from './chart.js';
import type { Page } from './context.js';
import type { Element, Plot } from './dom.js';

type CreateChart = (page: Page, options: ChartOptions) => Plot;

/** Throughput and self-watch: lines over a fixed step, with a legend that switches them and shows the value under the pointer. */
export function drawLineCharts(page: Page, createChart: CreateChart): void {
  const { data } = page;
  const colors = ['--l-1', '--l-2', '--l-3', '--l-4', '--l-5', '--l-6', '--l-7', '--l-8'];
  const dashes = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
  const styleOf = (label: string, index: number): ChartSeries => ({ label, color: colors[index % colors.length]!, dash: dashes[Math.floor(index / colors.length) % dashes.length]! });

  interface LineChart { id: string; heightPx: number; log: boolean; unit: (value: number) => string; axis: (value: number) => string }

  const show = (chart: LineChart, set: SeriesSet): void => {
    const legend = page.byId(`legend-${chart.id}`);
    const frame = page.byId(`plot-${chart.id}`);
    legend.replaceChildren();
    if (set.series.length === 0 || set.series.every((series) => series.values.every((value) => value === null))) {
      frame.replaceChildren(page.element('p', { class: 'empty', text: 'nothing was recorded' }));
      return;
    }
    // Each value counts for its whole step, so that a zero looks like a zero and not like a ramp.
    const x: number[] = [];
    const columns: (number | null)[][] = set.series.map(() => []);
    const steps = set.series[0]!.values.length;
    for (let step = 0; step < steps; step++) {
      const from = (set.fromUs + step * set.stepUs) / 1e6;
      x.push(from, from + (set.stepUs * 0.999) / 1e6);
      set.series.forEach((series, index) => {
        const value = series.values[step] ?? null;
        const drawn = chart.log && value !== null ? Math.max(value, 0.01) : value;
        columns[index]!.push(drawn, drawn);
      });
    }
    const styles = set.series.map((series, index) => styleOf(series.label, index));
    const plot = createChart(page, {
      id: chart.id, heightPx: chart.heightPx, log: chart.log, series: styles, lines: true, columns: [x, ...columns],
      yRange: (_min, max) => (chart.log ? [0.1, Math.max(10, 10 ** Math.ceil(Math.log10(Math.max(max, 1)) + 0.05))] : [0, Math.max(10, max * 1.12)]),
      yValues: (values) => values.map((value) => (value === null || (chart.log && Math.abs(Math.log10(value) % 1) > 1e-9) ? '' : chart.axis(value))),
    });
    const values: Element[] = [];
    styles.forEach((style, index) => {
      const swatch = page.svg('svg', { width: 18, height: 8, 'aria-hidden': 'true' });
      const line = page.svg('line', { x1: 0, x2: 18, y1: 4, y2: 4, 'stroke-width': 2.4, 'stroke-dasharray': style.dash.join(' ') || 'none' });
      line.style['stroke'] = `var(${style.color})`;
      swatch.append(line);
      const value = page.element('span', { class: 'value' });
      values.push(value);
      const button = page.element('button', { type: 'button', 'aria-pressed': 'true', class: 'entry' }, swatch, page.element('span', { text: style.label }), value);
      let shown = true;
      button.addEventListener('click', () => {
        shown = !shown;
        button.setAttribute('aria-pressed', String(shown));
        plot.setSeries(index + 1, { show: shown });
      });
      legend.append(button);
    });
    page.onCursor((us) => {
      const step = us === null ? -1 : Math.floor((us - set.fromUs) / set.stepUs);
      values.forEach((element, index) => {
        const value = set.series[index]!.values[step];
        element.textContent = value === undefined || value === null ? '' : chart.unit(value);
      });
    });
  };

  const sum = (label: string, parts: SeriesSet['series']): SeriesSet['series'][number] => ({
    label, group: 0,
    values: (parts[0]?.values ?? []).map((_, step) => {
      const known = parts.map((part) => part.values[step]).filter((value) => value !== null && value !== undefined);
      return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
    }),
  });
  const per = data.throughput;
  const groups = [...new Set(per.series.map((series) => series.group))].sort((a, b) => a - b);
  const views: Record<string, SeriesSet> = {
    namespace: per,
    group: { ...per, series: groups.map((group) => sum(`group ${group}`, per.series.filter((series) => series.group === group))) },
    total: { ...per, series: per.series.length === 0 ? [] : [sum('all', per.series)] },
  };
  const throughput: LineChart = {
    id: 'throughput', heightPx: 190, log: false,
    unit: (value) => page.formats.formatCount(Math.round(value)),
    axis: (value) => (value >= 1_000 ? `${Math.round(value / 100) / 10} k` : String(value)),
  };
  const select = page.byId('throughput-by');
  select.value = per.series.length > 12 ? 'group' : 'namespace';
  const update = (): void => {
    page.byId('plot-throughput').replaceChildren();
    show(throughput, views[select.value]!);
  };
  select.addEventListener('change', update);
  update();
  show({ id: 'loop-delay', heightPx: 150, log: true, unit: (value) => page.formats.formatSpan(value * 1_000), axis: (value) => `${value >= 1_000 ? `${value / 1_000} s` : `${Math.round(value * 10) / 10} ms`}` }, data.loopDelay);
}
