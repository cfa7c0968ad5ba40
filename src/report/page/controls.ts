import type { Page } from './context.js';
import type { PageEvent } from './dom.js';

/** Zoom by buttons, keys and dragging over lanes; the crosshair; copying; links from tables into the timeline. */
export function wireControls(page: Page): void {
  const { data } = page;
  const { formatMoment, formatSpan } = page.formats;
  const time = page.byId('time');
  const crosshair = page.byId('crosshair');

  const zoom = (action: string): void => {
    const { from, to } = page.range;
    const length = to - from;
    const middle = (from + to) / 2;
    if (action === 'in') page.setRange(middle - length / 4, middle + length / 4);
    else if (action === 'out') page.setRange(middle - length, middle + length);
    else if (action === 'left') page.setRange(from - length / 4, to - length / 4);
    else if (action === 'right') page.setRange(from + length / 4, to + length / 4);
    else page.setRange(0, data.lengthUs);
  };
  for (const button of page.document.querySelectorAll('[data-zoom]')) {
    button.addEventListener('click', () => zoom(button.dataset['zoom']!));
  }
  const keys: Record<string, string> = { '+': 'in', '=': 'in', '-': 'out', '0': 'reset', Escape: 'reset', ArrowLeft: 'left', ArrowRight: 'right' };
  time.addEventListener('keydown', (event) => {
    const action = keys[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    if (['SELECT', 'INPUT'].includes((event.target as unknown as { tagName: string }).tagName)) return;
    event.preventDefault();
    zoom(action);
  });

  const around = 0.35;
  data.faults.slice(0, 24).forEach((fault) => {
    const button = page.element('button', { type: 'button', class: 'fault-button', text: fault.tag, title: `${fault.fault} on ${fault.target}` });
    const marginUs = Math.max(200_000, (fault.toUs - fault.fromUs) * around);
    button.addEventListener('click', () => page.setRange(fault.fromUs - marginUs, fault.toUs + marginUs));
    page.byId('fault-buttons').append(button);
  });

  /** The moment under the pointer, null in the gutter. */
  const momentAt = (event: PageEvent): number | null => {
    const x = event.clientX - time.getBoundingClientRect().left - page.gutterPx;
    if (x < 0 || x > page.plotWidth) return null;
    return page.range.from + (x / page.plotWidth) * (page.range.to - page.range.from);
  };
  let dragFrom: number | null = null;
  const selection = page.element('div', { class: 'selection', hidden: '' });
  time.append(selection);
  const showCursor = (us: number | null): void => {
    crosshair.hidden = us === null;
    if (us === null) return;
    crosshair.style['left'] = `${page.gutterPx + page.toX(us)}px`;
    crosshair.querySelector('span')!.textContent = formatMoment(us);
  };
  page.onCursor(showCursor);
  showCursor(null);
  time.addEventListener('mousemove', (event) => {
    const us = momentAt(event);
    page.setCursor(us);
    if (dragFrom === null || us === null) return;
    const [low, high] = dragFrom < us ? [dragFrom, us] : [us, dragFrom];
    selection.hidden = false;
    selection.style['left'] = `${page.gutterPx + page.toX(low)}px`;
    selection.style['width'] = `${page.toX(high) - page.toX(low)}px`;
  });
  time.addEventListener('mouseleave', () => page.setCursor(null));
  time.addEventListener('mousedown', (event) => {
    // Charts have a drag of their own.
    if (event.button !== 0 || event.target.closest('.lane-drawing, #ruler') === null) return;
    dragFrom = momentAt(event);
    event.preventDefault();
  });
  page.document.addEventListener('mouseup', (event) => {
    if (dragFrom === null) return;
    const from = dragFrom;
    dragFrom = null;
    selection.hidden = true;
    const to = momentAt(event);
    if (to !== null && Math.abs(page.toX(to) - page.toX(from)) > 4) page.setRange(Math.min(from, to), Math.max(from, to));
  });
  time.addEventListener('dblclick', (event) => {
    if (event.target.closest('.lane-drawing, #ruler') !== null) zoom('reset');
  });

  page.onDraw(() => {
    page.byId('range').textContent = `${formatMoment(page.range.from)} – ${formatMoment(page.range.to)} (${formatSpan(page.range.to - page.range.from)})`;
  });

  page.document.addEventListener('click', (event) => {
    const show = event.target.closest('.show-time');
    if (show !== null) {
      page.setRange(Number(show.dataset['from']), Number(show.dataset['to']));
      page.byId('timeline').scrollIntoView({ behavior: 'smooth', block: 'start' });
    }
    const copy = event.target.closest('[data-copy]');
    if (copy !== null) copyText(copy.dataset['copy']!, (said) => {
      const before = 'Copy';
      copy.textContent = said;
      page.window.setTimeout(() => (copy.textContent = before), 1_600);
    });
  });

  /** Clipboard access may be refused (plain http, old browsers): then the text is at least selected. */
  const copyText = (id: string, say: (word: string) => void): void => {
    const source = page.byId(id);
    const select = (): void => {
      const range = page.document.createRange();
      range.selectNodeContents(source);
      const selected = page.window.getSelection();
      selected?.removeAllRanges();
      selected?.addRange(range);
      say(page.document.execCommand('copy') ? 'Copied' : 'Selected');
    };
    const clipboard = page.window.navigator.clipboard;
    if (clipboard === undefined) return select();
    clipboard.writeText(source.textContent ?? '').then(() => say('Copied'), select);
  };
}
