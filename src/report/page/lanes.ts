import type { PackedBlock, PackedLane, PackedSection, PackedSegment } from '../model/page-data.js';
import type { Page } from './context.js';
import type { Element, PageEvent } from './dom.js';

/** The ruler with phases and faults, and all lanes. Folded lanes are not drawn. Refers to nothing outside itself. */
export function drawLanes(page: Page): void {
  const { data } = page;
  const { formatMoment, formatSpan } = page.formats;
  const barTop = 2;
  const barHeight = 14;
  const stripTop = 17;
  const stripHeight = 4;
  const laneHeight = 22;
  const letterPx = 9;
  const characterPx = 6.1;
  /** Visible lanes by their drawing. */
  const open = new Map<Element, PackedLane>();

  const ruler = page.byId('ruler');
  const rulerHeight = 62;

  const shades = (height: number): Element[] =>
    data.faults.flatMap((fault) => {
      const from = Math.max(0, page.toX(fault.fromUs));
      const to = Math.min(page.plotWidth, page.toX(fault.toUs));
      if (to < 0 || from > page.plotWidth) return [];
      const parts = [page.svg('rect', { x: from, y: 0, width: Math.max(1, to - from), height, class: 'shade' })];
      const line = (us: number | null, name: string): void => {
        if (us === null) return;
        const x = page.toX(us);
        if (x >= 0 && x <= page.plotWidth) parts.push(page.svg('line', { x1: x, x2: x, y1: 0, y2: height, class: name }));
      };
      line(fault.fromUs, 'mark-fault');
      line(fault.healedUs, 'mark-heal dotted');
      line(fault.healConfirmedUs, 'mark-heal');
      return parts;
    });

  const drawRuler = (): void => {
    const parts: Element[] = [];
    data.phases.forEach((phase, index) => {
      const from = Math.max(0, page.toX(phase.tUs));
      const to = Math.min(page.plotWidth, page.toX(data.phases[index + 1]?.tUs ?? data.lengthUs));
      if (to <= 0 || from >= page.plotWidth || to <= from) return;
      const bar = page.svg('rect', { x: from, y: 2, width: Math.max(1, to - from - 1), height: 16, class: `phase phase-${index % 2}` });
      bar.append(page.svg('title', {}, `${phase.name}, from ${formatMoment(phase.tUs)}`));
      parts.push(bar);
      if (to - from > phase.name.length * characterPx + 8) parts.push(page.svg('text', { x: from + 4, y: 14, class: 'phase-name' }, phase.name));
    });
    data.faults.forEach((fault) => {
      const from = Math.max(0, page.toX(fault.fromUs));
      const to = Math.min(page.plotWidth, page.toX(fault.toUs));
      if (to < 0 || from > page.plotWidth) return;
      parts.push(page.svg('rect', { x: from, y: 21, width: Math.max(2, to - from), height: 16, rx: 2, class: 'fault-bar' }));
      const name = `${fault.tag} ${fault.fault} ${fault.target}`;
      const text = to - from > name.length * characterPx + 8 ? name : to - from > 20 ? fault.tag : '';
      if (text !== '') parts.push(page.svg('text', { x: from + 5, y: 33, class: 'fault-name' }, text));
      if (fault.healedUs !== null && fault.healedUs >= page.range.from && fault.healedUs <= page.range.to) {
        parts.push(page.svg('line', { x1: page.toX(fault.healedUs), x2: page.toX(fault.healedUs), y1: 20, y2: 38, class: 'mark-heal dotted' }));
      }
    });
    // Ticks at 1, 2 or 5 of a power of ten, at least 80 px apart.
    const spanUs = page.range.to - page.range.from;
    const leastUs = (spanUs / page.plotWidth) * 80;
    const power = 10 ** Math.floor(Math.log10(leastUs));
    const tickUs = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= leastUs) ?? leastUs;
    for (let us = Math.ceil(page.range.from / tickUs) * tickUs; us <= page.range.to; us += tickUs) {
      const x = page.toX(us);
      parts.push(page.svg('line', { x1: x, x2: x, y1: 42, y2: 47, class: 'tick' }));
      parts.push(page.svg('text', { x, y: 58, class: 'tick-label', 'text-anchor': x < 16 ? 'start' : x > page.plotWidth - 16 ? 'end' : 'middle' }, `${Math.round(us) / 1e6} s`));
    }
    parts.push(page.svg('line', { x1: 0, x2: page.plotWidth, y1: 42, y2: 42, class: 'tick' }));
    ruler.setAttribute('width', String(page.plotWidth));
    ruler.setAttribute('height', String(rulerHeight));
    ruler.replaceChildren(...parts);
  };

  const segmentParts = ([fromUs, toUs, stateIndex, , layer]: PackedSegment): Element[] => {
    if (toUs < page.range.from || fromUs > page.range.to) return [];
    const state = data.states[stateIndex]!;
    const from = Math.max(0, page.toX(fromUs));
    const to = Math.min(page.plotWidth, page.toX(toUs));
    const width = state.alarm ? Math.max(2, to - from) : to - from;
    const [y, height] = layer === 1 ? [stripTop, stripHeight] : [barTop, barHeight];
    const parts = [page.svg('rect', { x: from, y, width, height, class: `fill-${state.color.slice(2)}` })];
    if (state.pattern !== 'none') parts.push(page.svg('rect', { x: from, y, width, height, class: `pattern-${state.pattern}` }));
    // A hairline between neighbours of the same colour.
    if (from > 0 && layer === 0) parts.push(page.svg('line', { x1: from, x2: from, y1: y, y2: y + height, class: 'edge' }));
    const text = width > state.label.length * characterPx + 8 ? state.label : width > letterPx ? state.letter : '';
    if (text !== '' && layer === 0) {
      const x = text === state.label ? from + 5 : from + width / 2;
      if (state.pattern !== 'none') {
        const length = text.length * characterPx + 6;
        parts.push(page.svg('rect', { x: text === state.label ? x - 3 : x - length / 2, y: y + 1.5, width: length, height: height - 3, rx: 2, class: `fill-${state.color.slice(2)}` }));
      }
      parts.push(page.svg('text', { x, y: y + 11, class: `seg ${state.ink}`, 'text-anchor': text === state.label ? 'start' : 'middle' }, text));
    }
    return parts;
  };

  const drawLane = (drawing: Element, lane: PackedLane): void => {
    drawing.setAttribute('width', String(page.plotWidth));
    drawing.replaceChildren(...shades(laneHeight), page.svg('line', { x1: 0, x2: page.plotWidth, y1: barTop + barHeight / 2, y2: barTop + barHeight / 2, class: 'rail' }), ...lane.segments.flatMap(segmentParts));
  };

  /** For readers who do not see the drawing: the states in words, as many as are bearable. */
  const inWords = (lane: PackedLane): string => {
    const most = 12;
    const said = lane.segments.slice(0, most).map(([from, to, state]) => `${data.states[state]!.label} ${formatMoment(from)} to ${formatMoment(to)}`);
    return `${lane.label}: ${said.join('; ') || 'nothing observed'}${lane.segments.length > most ? `; and ${lane.segments.length - most} more` : ''}`;
  };

  const makeLane = (lane: PackedLane): Element => {
    const drawing = page.svg('svg', { class: 'lane-drawing', height: laneHeight, role: 'img', 'aria-label': inWords(lane) });
    const row = page.element('div', { class: 'lane' }, page.element('span', { class: 'lane-label', text: lane.label, title: lane.label }), drawing);
    open.set(drawing, lane);
    const tell = (event: PageEvent): void => {
      const box = drawing.getBoundingClientRect();
      const us = page.range.from + ((event.clientX - box.left) / page.plotWidth) * (page.range.to - page.range.from);
      const slackUs = ((page.range.to - page.range.from) / page.plotWidth) * 2;
      const layer = event.clientY - box.top >= stripTop - 1 ? 1 : 0;
      const hits = lane.segments.filter(([from, to, state]) => us >= from - (data.states[state]!.alarm ? slackUs : 0) && us <= to + (data.states[state]!.alarm ? slackUs : 0));
      const hit = hits.filter((segment) => segment[4] === layer).at(-1) ?? hits.at(-1);
      if (hit === undefined) return page.showTooltip([lane.label, `${formatMoment(us)}: nothing observed`], event.clientX, event.clientY);
      const [from, to, state, detail] = hit;
      const lines = [`${lane.label}: ${data.states[state]!.label}`, `${formatMoment(from)} – ${formatMoment(to)} (${formatSpan(to - from)})`];
      if (data.strings[detail] !== '') lines.push(data.strings[detail]!);
      page.showTooltip(lines, event.clientX, event.clientY);
    };
    drawing.addEventListener('mousemove', tell);
    drawing.addEventListener('mouseleave', () => page.hideTooltip());
    page.drawn.lanes++;
    return row;
  };

  const makeSection = (section: PackedSection): Element => {
    const list = page.element('div', { class: 'lane-list' });
    let made = false;
    const fill = (): void => {
      if (!made) list.append(...section.lanes.map(makeLane));
      made = true;
    };
    if (section.title === null) {
      fill();
      return list;
    }
    const fold = page.element('details', { class: 'lane-fold' }, page.element('summary', {}, section.title, ' ', page.element('span', { class: 'count', text: String(section.lanes.length) })), list);
    if (section.open) {
      fill();
      fold.open = true;
    }
    fold.addEventListener('toggle', () => {
      if (!fold.open) return;
      fill();
      page.redraw();
    });
    return fold;
  };

  const makeBlock = (block: PackedBlock): Element => {
    const summary = page.element('summary', { id: `lanes-${block.id}` }, page.element('strong', { text: block.title }), ' ', page.element('span', { class: 'note', text: block.note }));
    const fold = page.element('details', { class: 'lane-block' }, summary, ...block.sections.map(makeSection));
    fold.open = true;
    fold.addEventListener('toggle', () => page.redraw());
    return fold;
  };
  const blocks = data.blocks.map(makeBlock);
  page.byId('lanes').replaceChildren(...blocks);

  const foldAll = (opened: boolean): void => {
    for (const fold of page.byId('lanes').querySelectorAll(opened ? 'details' : '.lane-fold')) fold.open = opened;
  };
  page.byId('open-lanes').addEventListener('click', () => foldAll(true));
  page.byId('close-lanes').addEventListener('click', () => foldAll(false));

  page.onDraw(() => {
    drawRuler();
    for (const [drawing, lane] of open) {
      const fold = drawing.closest('details:not([open])');
      if (fold === null) drawLane(drawing, lane);
    }
  });
}
