import type { Page } from './context.js';
import type { Canvas, Plot } from './dom.js';

export interface ChartSeries {
  label: string;
  /** CSS custom property. */
  color: string;
  dash: number[];
}

export interface ChartOptions {
  /** plot-<id> is the frame. */
  id: string;
  heightPx: number;
  log: boolean;
  yRange: (min: number, max: number) => [number, number];
  /** uPlot hands null for a tick without a label. */
  yValues: (values: readonly (number | null)[]) => string[];
  /** Without lines the chart only sets up scales and axes, and `draw` paints. */
  series: readonly ChartSeries[];
  lines: boolean;
  /** x in seconds, then one column per series. */
  columns: readonly unknown[];
  draw?: (plot: Plot, context: Canvas) => void;
}

/** One uPlot on the shared time axis: same plotting area, same range, faults shaded. Refers to nothing outside itself. */
export function createChart(page: Page, options: ChartOptions): Plot {
  const { data } = page;
  const frame = page.byId(`plot-${options.id}`);
  const ratio = (): number => page.window.devicePixelRatio || 1;
  const width = (): number => page.plotWidth + page.yAxisPx + page.rightPx;

  const shadeFaults = (plot: Plot): void => {
    const context = plot.ctx;
    const { left, top, width: boxWidth, height } = plot.bbox;
    context.save();
    context.beginPath();
    context.rect(left, top, boxWidth, height);
    context.clip();
    data.faults.forEach((fault) => {
      const x0 = plot.valToPos(fault.fromUs / 1e6, 'x', true);
      const x1 = plot.valToPos(fault.toUs / 1e6, 'x', true);
      context.fillStyle = page.color('--fault-fill');
      context.fillRect(x0, top, Math.max(1, x1 - x0), height);
      const mark = (us: number | null, color: string, dash: number[]): void => {
        if (us === null) return;
        const x = plot.valToPos(us / 1e6, 'x', true);
        context.strokeStyle = page.color(color);
        context.lineWidth = 1.25 * ratio();
        context.setLineDash(dash.map((part) => part * ratio()));
        context.beginPath();
        context.moveTo(x, top);
        context.lineTo(x, top + height);
        context.stroke();
      };
      mark(fault.fromUs, '--fault', []);
      mark(fault.healedUs, '--heal', [2, 3]);
      mark(fault.healConfirmedUs, '--heal', []);
      context.setLineDash([]);
    });
    context.restore();
  };
  /** Above the grid, each on a ground of its own. */
  const nameFaults = (plot: Plot): void => {
    const context = plot.ctx;
    const { left, top, width: boxWidth } = plot.bbox;
    const few = data.faults.length <= 6;
    context.font = `600 ${11 * ratio()}px system-ui, sans-serif`;
    context.textAlign = 'left';
    context.textBaseline = 'top';
    data.faults.forEach((fault, index) => {
      const from = plot.valToPos(fault.fromUs / 1e6, 'x', true);
      const to = plot.valToPos(fault.toUs / 1e6, 'x', true);
      if (to < left || from > left + boxWidth) return;
      const text = few ? `${fault.tag} ${fault.fault} ${fault.target}` : fault.tag;
      const x = Math.max(from, left) + 4 * ratio();
      const y = top + (3 + (data.faults.length > 1 ? 15 * (index % 3) : 0)) * ratio();
      context.fillStyle = page.color('--card');
      context.fillRect(x, y, context.measureText(text).width + 6 * ratio(), 14 * ratio());
      context.fillStyle = page.color('--fault-text');
      context.fillText(text, x + 3 * ratio(), y + 2 * ratio());
    });
  };

  const axisStyle = {
    stroke: () => page.color('--muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: () => page.color('--grid'), width: 1 },
    ticks: { stroke: () => page.color('--grid'), width: 1, size: 4 },
  };
  const plot = new page.Plot(
    {
      width: width(),
      height: options.heightPx,
      padding: [8, page.rightPx, 0, 0],
      legend: { show: false },
      cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
      scales: {
        x: { time: false, range: () => [page.range.from / 1e6, page.range.to / 1e6] },
        y: { distr: options.log ? 3 : 1, log: 10, range: (_plot: Plot, min: number, max: number) => options.yRange(min, max) },
      },
      axes: [
        { ...axisStyle, size: 26, gap: 3, space: 70, values: (_plot: Plot, splits: number[]) => splits.map((value) => `${Math.round(value * 1e6) / 1e6} s`) },
        { ...axisStyle, size: page.yAxisPx, gap: 4, space: 26, values: (_plot: Plot, splits: (number | null)[]) => options.yValues(splits) },
      ],
      series: [
        {},
        ...options.series.map((series) => ({
          label: series.label,
          stroke: () => page.color(series.color),
          width: 1.6,
          dash: series.dash,
          spanGaps: false,
          points: { show: false },
          ...(options.lines ? {} : { paths: () => null }),
        })),
      ],
      hooks: {
        drawClear: [shadeFaults],
        draw: [
          (drawn: Plot) => {
            const context = drawn.ctx;
            context.save();
            context.beginPath();
            context.rect(drawn.bbox.left, drawn.bbox.top, drawn.bbox.width, drawn.bbox.height);
            context.clip();
            options.draw?.(drawn, context);
            nameFaults(drawn);
            context.restore();
          },
        ],
        setSelect: [
          (drawn: Plot) => {
            const { left, width: selected } = drawn.select;
            if (selected < 4) return;
            page.setRange(drawn.posToVal(left, 'x') * 1e6, drawn.posToVal(left + selected, 'x') * 1e6);
            drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    options.columns,
    frame,
  );
  // uPlot's own double click would go back to the data's range of this one chart.
  plot.over.addEventListener('dblclick', () => page.setRange(0, data.lengthUs));
  let drawnWidth = width();
  page.onDraw(() => {
    if (!frame.querySelector('canvas')) return;
    if (drawnWidth !== width()) {
      drawnWidth = width();
      plot.setSize({ width: drawnWidth, height: options.heightPx });
    }
    plot.setScale('x', { min: page.range.from / 1e6, max: page.range.to / 1e6 });
  });
  page.drawn.charts++;
  return plot;
}
