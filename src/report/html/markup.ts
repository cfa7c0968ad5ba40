import { escapeHtml } from '../escape.js';

/** HTML that is safe to insert as it is. Only `html` makes it from untrusted parts. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

type Part = Markup | string | number | null | undefined | false | readonly Part[];

/** Template tag: every value is escaped unless it is Markup already; lists are joined; null, undefined and false vanish. */
export function html(texts: TemplateStringsArray, ...parts: Part[]): Markup {
  let out = texts[0]!;
  parts.forEach((part, index) => (out += insert(part) + texts[index + 1]!));
  return new Markup(out);
}

function insert(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map(insert).join('');
}

/** A two-column list of facts. Entries with an empty value are left out. */
export function facts(entries: readonly (readonly [name: string, value: Markup | string | number])[], className = 'facts'): Markup {
  const kept = entries.filter(([, value]) => value !== '');
  return html`<dl class="${className}">${kept.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A button that shows a stretch of the timeline; times in microseconds since the run's start. */
export function showButton(label: string, fromUs: number, toUs: number): Markup {
  return html`<button type="button" class="link show-time" data-from="${Math.round(fromUs)}" data-to="${Math.round(toUs)}" title="Show on the timeline">${label}</button>`;
}
