import type { ChartOptions } from './chart.js';
import type { Page } from './context.js';
import type { Canvas, PageEvent, Plot } from './dom.js';

/** Every I/O as a point at its issue; log scale; waits as bars; bounds as lines. Refers to nothing outside itself. */
export function drawLatency(page: Page, createChart: (page: Page, options: ChartOptions) => Plot): void {
  const { samples, latencyBounds, namespaces } = page.data;
  const legend = page.byId('legend-latency');
  const select = page.byId('latency-of');
  const count = samples.t.length;
  if (count === 0) {
    page.byId('plot-latency').replaceChildren(page.element('p', { class: 'empty', text: 'no I/O in the journal' }));
    return;
  }
  const kinds = [
    { label: 'read', color: '--l-read', shape: 'point' },
    { label: 'write', color: '--l-write', shape: 'point' },
    { label: 'failed', color: '--l-fail', shape: 'cross' },
    { label: 'unknown', color: '--l-info', shape: 'plus' },
  ] as const;
  const shown = kinds.map(() => true);
  const visible = (index: number): boolean => shown[samples.kind[index]!]! && (select.value === '' || samples.ns[index] === Number(select.value));

  let fastest = Infinity;
  let slowest = 1;
  for (const latency of samples.latencyUs) {
    fastest = Math.min(fastest, Math.max(1, latency));
    slowest = Math.max(slowest, latency);
  }
  const yMin = 10 ** Math.floor(Math.log10(fastest));
  const yMax = 10 ** Math.ceil(Math.log10(slowest * 1.2));

  const symbol = (context: Canvas, shape: (typeof kinds)[number]['shape'], x: number, y: number, size: number): void => {
    const half = size / 2;
    if (shape === 'point') {
      context.fillRect(x - half, y - half, size, size);
      return;
    }
    const reach = size * 1.3;
    context.beginPath();
    if (shape === 'cross') {
      context.moveTo(x - reach, y - reach);
      context.lineTo(x + reach, y + reach);
      context.moveTo(x - reach, y + reach);
      context.lineTo(x + reach, y - reach);
    } else {
      context.moveTo(x - reach, y);
      context.lineTo(x + reach, y);
      context.moveTo(x, y - reach);
      context.lineTo(x, y + reach);
    }
    context.stroke();
  };

  const draw = (plot: Plot, context: Canvas): void => {
    const ratio = page.window.devicePixelRatio || 1;
    const { left, width } = plot.bbox;
    context.font = `${10.5 * ratio}px system-ui, sans-serif`;
    context.textBaseline = 'bottom';
    context.textAlign = 'right';
    latencyBounds.forEach((bound, index) => {
      if (bound.us > yMax || bound.us < yMin) return;
      const y = plot.valToPos(bound.us, 'y', true);
      context.strokeStyle = page.color('--bound');
      context.lineWidth = ratio;
      context.setLineDash([5 * ratio, 4 * ratio]);
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + width, y);
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = page.color('--bound');
      context.fillText(`${bound.name} ${page.formats.formatSpan(bound.us)}`, left + width - (4 + 150 * (index % 4)) * ratio, y - ratio);
    });
    const xs = new Float64Array(count);
    const ys = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      xs[index] = plot.valToPos(samples.t[index]! / 1e6, 'x', true);
      ys[index] = plot.valToPos(Math.max(1, samples.latencyUs[index]!), 'y', true);
    }
    const perUs = width / (page.range.to - page.range.from);
    kinds.forEach((kind, number) => {
      const dense = number < 2;
      context.strokeStyle = page.color(kind.color);
      context.fillStyle = page.color(kind.color);
      // A wait that is wide enough to see: from issue to completion.
      context.lineWidth = 1.4 * ratio;
      context.globalAlpha = 0.55;
      context.beginPath();
      for (let index = 0; index < count; index++) {
        const length = samples.latencyUs[index]! * perUs;
        if (samples.kind[index] !== number || length < 5 * ratio || !visible(index)) continue;
        context.moveTo(xs[index]!, ys[index]!);
        context.lineTo(xs[index]! + length, ys[index]!);
      }
      context.stroke();
      context.globalAlpha = dense ? 0.62 : 1;
      const size = (dense ? 2.2 : 3) * ratio;
      for (let index = 0; index < count; index++) {
        if (samples.kind[index] !== number || xs[index]! < left - 4 || xs[index]! > left + width + 4 || !visible(index)) continue;
        symbol(context, kind.shape, xs[index]!, ys[index]!, size);
      }
      context.globalAlpha = 1;
    });
  };
  const plot = createChart(page, {
    id: 'latency', heightPx: 300, log: true, lines: false,
    series: [{ label: 'latency', color: '--l-read', dash: [] }],
    columns: [samples.t.map((t) => t / 1e6), samples.latencyUs.map((latency) => Math.max(1, latency))],
    yRange: () => [yMin, yMax],
    yValues: (values) => values.map((value) => (value === null || Math.abs(Math.log10(value) - Math.round(Math.log10(value))) > 1e-6 ? '' : value >= 1e6 ? `${value / 1e6} s` : value >= 1e3 ? `${value / 1e3} ms` : `${value} µs`)),
    draw,
  });

  const totals = kinds.map((_, number) => samples.kind.reduce((sum, kind) => sum + (kind === number ? 1 : 0), 0));
  kinds.forEach((kind, number) => {
    const swatch = page.svg('svg', { width: 18, height: 10, 'aria-hidden': 'true' });
    const path = { point: 'M7 3h4v4h-4z', cross: 'M5 1l8 8M5 9l8-8', plus: 'M4 5h10M9 0v10' }[kind.shape];
    const mark = page.svg('path', { d: path, 'stroke-width': 1.8 });
    mark.style['stroke'] = `var(${kind.color})`;
    mark.style['fill'] = `var(${kind.color})`;
    swatch.append(mark);
    const button = page.element('button', { type: 'button', 'aria-pressed': 'true', class: 'entry' }, swatch, page.element('span', { text: kind.label }), page.element('span', { class: 'value', text: page.formats.formatCount(totals[number]!) }));
    button.addEventListener('click', () => {
      shown[number] = !shown[number];
      button.setAttribute('aria-pressed', String(shown[number]));
      plot.redraw();
    });
    legend.append(button);
  });
  for (const namespace of namespaces) {
    select.append(page.element('option', { value: String(namespace.nsid), text: `ns ${namespace.nsid} · group ${namespace.group}` }));
  }
  select.addEventListener('change', () => plot.redraw());

  /** Operations are numbered per journal, so where there are several hosts an operation's is named. */
  const ofHost = (nsid: number): string => {
    const host = namespaces.find((namespace) => namespace.nsid === nsid)?.host;
    return host === undefined ? '' : ` of ${host}`;
  };
  /** The visible point nearest to the pointer, within reach. */
  const nearest = (event: PageEvent): number => {
    const box = plot.over.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const reach = 14;
    const from = plot.posToVal(px - reach, 'x') * 1e6;
    const to = plot.posToVal(px + reach, 'x') * 1e6;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples.t[middle]! < from) low = middle + 1;
      else high = middle;
    }
    let best = -1;
    let bestDistance = reach * reach;
    for (let index = low; index < count && samples.t[index]! <= to; index++) {
      if (!visible(index)) continue;
      const dx = plot.valToPos(samples.t[index]! / 1e6, 'x', false) - px;
      const dy = plot.valToPos(Math.max(1, samples.latencyUs[index]!), 'y', false) - py;
      const distance = dx * dx + dy * dy;
      if (distance < bestDistance) [best, bestDistance] = [index, distance];
    }
    return best;
  };
  plot.over.addEventListener('mousemove', (event) => {
    const index = nearest(event);
    if (index < 0) return page.hideTooltip();
    const t = samples.t[index]!;
    const latency = samples.latencyUs[index]!;
    page.showTooltip([
      `${page.formats.formatSpan(latency)} ${kinds[samples.kind[index]!]!.label}`,
      `ns ${samples.ns[index]!}, op ${samples.op[index]!}${ofHost(samples.ns[index]!)}`,
      `issued ${page.formats.formatMoment(t)}, ended ${page.formats.formatMoment(t + latency)}`,
      samples.paths[samples.path[index]!] || 'no path answered',
    ], event.clientX, event.clientY);
  });
  plot.over.addEventListener('mouseleave', () => page.hideTooltip());
}
