import type { PageData } from '../model/page-data.js';
import type { Document, Element, PlotConstructor, Window } from './dom.js';

/** Functions of ../format.ts, handed over because the page's functions import nothing. */
export interface Formats {
  formatSpan: (us: number) => string;
  formatMoment: (us: number) => string;
  formatCount: (count: number) => string;
}

/** What all parts of the page share. Times are microseconds since the run's start. */
export interface Page {
  readonly window: Window;
  readonly document: Document;
  readonly data: PageData;
  readonly Plot: PlotConstructor;
  readonly formats: Formats;
  /** Left edge and right margin of every plotting area, CSS pixels: charts, lanes and ruler line up. */
  readonly gutterPx: number;
  readonly rightPx: number;
  /** Width of a chart's y axis, inside the gutter. */
  readonly yAxisPx: number;
  range: { from: number; to: number };
  /** Width of the plotting area, CSS pixels. */
  plotWidth: number;
  readonly drawn: { charts: number; lanes: number };
  byId(id: string): Element;
  element(tag: string, properties?: Record<string, string>, ...children: (Element | string)[]): Element;
  svg(tag: string, attributes: Record<string, string | number>, text?: string): Element;
  /** The current value of a CSS custom property. */
  color(name: string): string;
  toX(us: number): number;
  setRange(from: number, to: number): void;
  /** Called at every new range, size or colour scheme, at most once per frame. */
  onDraw(listener: () => void): void;
  redraw(): void;
  /** The moment under the pointer, null outside. */
  onCursor(listener: (us: number | null) => void): void;
  setCursor(us: number | null): void;
  showTooltip(lines: string[], clientX: number, clientY: number): void;
  hideTooltip(): void;
}

/** Makes the shared part. Runs in the browser: refers to nothing outside itself. */
export function createPage(window: Window, data: PageData, Plot: PlotConstructor, formats: Formats): Page {
  const document = window.document;
  const drawListeners: (() => void)[] = [];
  const cursorListeners: ((us: number | null) => void)[] = [];
  const colors = new Map<string, string>();
  const svgNamespace = document.getElementById('ruler')!.namespaceURI;
  const narrow = window.innerWidth < 800;
  const shortestUs = 1_000;
  let pending = false;

  const byId = (id: string): Element => {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`the page has no element ${id}`);
    return found;
  };
  const tooltip = byId('tooltip');

  const page: Page = {
    window, document, data, Plot, formats,
    gutterPx: narrow ? 120 : 196,
    rightPx: 14,
    yAxisPx: 58,
    range: { from: 0, to: data.lengthUs },
    plotWidth: 600,
    drawn: { charts: 0, lanes: 0 },
    byId,
    element(tag, properties = {}, ...children) {
      const made = document.createElement(tag);
      for (const [name, value] of Object.entries(properties)) {
        if (name === 'class') made.className = value;
        else if (name === 'text') made.textContent = value;
        else made.setAttribute(name, value);
      }
      made.append(...children);
      return made;
    },
    svg(tag, attributes, text) {
      const made = document.createElementNS(svgNamespace, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
      if (text !== undefined) made.textContent = text;
      return made;
    },
    color(name) {
      let value = colors.get(name);
      if (value === undefined) {
        value = window.getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        colors.set(name, value);
      }
      return value;
    },
    toX: (us) => ((us - page.range.from) / (page.range.to - page.range.from)) * page.plotWidth,
    setRange(from, to) {
      const length = Math.min(data.lengthUs, Math.max(shortestUs, to - from));
      const start = Math.max(0, Math.min(from, data.lengthUs - length));
      page.range = { from: start, to: start + length };
      const whole = start === 0 && length >= data.lengthUs;
      // The address keeps the range, so that a copied link shows the same stretch; some browsers forbid it for files.
      try {
        window.history.replaceState(null, '', whole ? '#timeline' : `#t=${(start / 1e6).toFixed(6)}-${((start + length) / 1e6).toFixed(6)}`);
      } catch {
        /* the range still changes */
      }
      page.redraw();
    },
    onDraw: (listener) => void drawListeners.push(listener),
    redraw() {
      if (pending) return;
      pending = true;
      window.requestAnimationFrame(() => {
        pending = false;
        for (const listener of drawListeners) listener();
      });
    },
    onCursor: (listener) => void cursorListeners.push(listener),
    setCursor(us) {
      for (const listener of cursorListeners) listener(us);
    },
    showTooltip(lines, clientX, clientY) {
      tooltip.replaceChildren(...lines.map((line, index) => page.element(index === 0 ? 'strong' : 'span', { text: line })));
      tooltip.hidden = false;
      const box = tooltip.getBoundingClientRect();
      const left = clientX + 14 + box.width > window.innerWidth ? clientX - 14 - box.width : clientX + 14;
      const top = clientY + 18 + box.height > window.innerHeight ? clientY - 10 - box.height : clientY + 18;
      tooltip.style['left'] = `${Math.max(4, left)}px`;
      tooltip.style['top'] = `${Math.max(4, top)}px`;
    },
    hideTooltip() {
      tooltip.hidden = true;
    },
  };

  document.documentElement.style.setProperty('--gutter', `${page.gutterPx}px`);
  document.documentElement.style.setProperty('--y-axis', `${page.yAxisPx}px`);
  document.documentElement.style.setProperty('--right', `${page.rightPx}px`);
  const measure = (): void => {
    page.plotWidth = Math.max(120, byId('time').clientWidth - page.gutterPx - page.rightPx);
    page.redraw();
  };
  measure();
  new window.ResizeObserver(measure).observe(byId('time'));
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    colors.clear();
    page.redraw();
  });
  const linked = /^#t=([\d.]+)-([\d.]+)$/.exec(window.location.hash);
  if (linked !== null) page.setRange(Number(linked[1]) * 1e6, Number(linked[2]) * 1e6);
  return page;
}
