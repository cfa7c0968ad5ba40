import type { Page } from './context.js';
import type { Element } from './dom.js';

/** The event log: filter by words or sequence number, by kind, by attention and by the shown range. Refers to nothing outside itself. */
export function drawEventLog(page: Page): void {
  const { log } = page.data;
  const { formatCount } = page.formats;
  const pageRows = 250;
  const levels = ['info', 'warn', 'error'];
  const filter = page.byId('log-filter');
  const attention = page.byId('log-attention');
  const inRange = page.byId('log-in-range');
  const more = page.byId('log-more');
  const body = page.byId('log-rows');
  const off = new Set<number>();
  let limit = pageRows;

  const present = new Set(log.rows.map((row) => row[3]));
  log.kinds.forEach((kind, index) => {
    if (!present.has(index)) return;
    const button = page.element('button', { type: 'button', class: 'kind', 'aria-pressed': 'true', text: kind });
    button.addEventListener('click', () => {
      if (!off.delete(index)) off.add(index);
      button.setAttribute('aria-pressed', String(!off.has(index)));
      limit = pageRows;
      update();
    });
    page.byId('log-kinds').append(button);
  });

  const makeRow = ([seq, tUs, node, kind, level, text]: (typeof log.rows)[number]): Element => {
    const sign = level === 0 ? '' : level === 1 ? '▲ ' : '✕ ';
    const show = page.element('button', {
      type: 'button', class: 'link show-time', 'data-from': String(Math.max(0, tUs - 500_000)), 'data-to': String(tUs + 500_000), text: (tUs / 1e6).toFixed(6), title: 'Show on the timeline',
    });
    return page.element(
      'tr', { class: `level-${levels[level]!}` },
      page.element('td', { class: 'num', text: String(seq) }), page.element('td', { class: 'num' }, show),
      page.element('td', { text: log.nodes[node]! }), page.element('td', { text: log.kinds[kind]! }), page.element('td', { text: sign + text }),
    );
  };

  const update = (): void => {
    const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word !== '');
    const seqs = new Set(words.filter((word) => /^#\d+$/.test(word)).map((word) => Number(word.slice(1))));
    const terms = words.filter((word) => !/^#\d+$/.test(word));
    const { from, to } = page.range;
    const matches = log.rows.filter(([seq, tUs, node, kind, level, text]) => {
      if (seqs.size > 0 && !seqs.has(seq)) return false;
      if (off.has(kind) || (attention.checked && level === 0) || (inRange.checked && (tUs < from || tUs > to))) return false;
      if (terms.length === 0) return true;
      const line = `${log.nodes[node]!} ${log.kinds[kind]!} ${text}`.toLowerCase();
      return terms.every((term) => line.includes(term));
    });
    body.replaceChildren(...matches.slice(0, limit).map(makeRow));
    more.hidden = matches.length <= limit;
    const missing = log.leftOut === 0 ? '' : `; ${formatCount(log.leftOut)} more only in history.ndjson`;
    page.byId('log-count').textContent = `${formatCount(matches.length)} of ${formatCount(log.rows.length)} events${missing}`;
  };
  for (const control of [filter, attention, inRange]) {
    control.addEventListener('input', () => {
      limit = pageRows;
      update();
    });
  }
  more.addEventListener('click', () => {
    limit += pageRows * 4;
    update();
  });
  let shownRange = '';
  page.onDraw(() => {
    const range = `${page.range.from} ${page.range.to}`;
    if (inRange.checked && range !== shownRange) update();
    shownRange = range;
  });
  page.document.addEventListener('click', (event) => {
    const link = event.target.closest('.show-events');
    if (link === null) return;
    filter.value = link.dataset['seqs']!.split(' ').map((seq) => `#${seq}`).join(' ');
    update();
    page.byId('log').scrollIntoView({ behavior: 'smooth', block: 'start' });
  });
  update();
}
