import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from './html.js';
import type { PageData } from './model/page-data.js';
import { sampleRun } from './testing/sample-run.js';
import type { ReportInput } from './types.js';

const hostile = `</script><b onclick=x>"'&</b><img src=http://evil.example/x>`;
const dataOf = (html: string): PageData => JSON.parse(/<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)![1]!) as PageData;
/** The document without scripts, styles and comments. */
const markupOf = (html: string): string => html.replace(/<script.*?<\/script>/gs, '').replace(/<style.*?<\/style>/gs, '').replace(/<!--.*?-->/gs, '');

describe('the HTML report', () => {
  let input: ReportInput;
  let pass: string;
  let fail: string;
  beforeAll(async () => {
    input = await sampleRun();
    pass = await renderHtml(input);
    fail = await renderHtml(await sampleRun({ broken: true, hostile }));
  }, 120_000);

  it('needs nothing from outside: no address, no import, no font, no request', () => {
    expect(pass).not.toMatch(/https?:\/\//);
    expect(pass).not.toMatch(/<link|<iframe|@import|@font-face|\bfetch\(|XMLHttpRequest|WebSocket|import\(/);
    expect(markupOf(pass)).not.toMatch(/\s(src|href)="(?!#)/);
    expect(pass.match(/url\([^)]*\)/g)!.every((url) => url.startsWith('url(#'))).toBe(true);
  });

  it('allows exactly its own two scripts', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(pass)![1]!.replaceAll('&#39;', "'");
    const scripts = [...pass.matchAll(/<script>(.*?)<\/script>/gs)].map((match) => match[1]!);
    expect(scripts).toHaveLength(2);
    for (const script of scripts) expect(policy).toContain(`'sha256-${createHash('sha256').update(script).digest('base64')}'`);
    expect(policy).toMatch(/^default-src 'none'; /);
    expect(policy).not.toContain('unsafe-inline\' script');
  });

  it('carries the licence of the library that it contains', () => {
    expect(pass).toMatch(/<!-- The charts are drawn with uPlot\.\s+The MIT License/);
  });

  it('embeds data that parses back, with times relative to the start', () => {
    const data = dataOf(pass);
    expect(data.format).toBe(1);
    expect(data.lengthUs).toBe(17_600_000);
    expect(data.samples.t).toHaveLength(input.samples.length);
    expect(data.samples.t.every((t) => t >= 0 && t <= data.lengthUs)).toBe(true);
    expect(data.faults).toHaveLength(1);
    for (const block of data.blocks) for (const section of block.sections) for (const lane of section.lanes) for (const segment of lane.segments) {
      expect(segment[1]).toBeGreaterThan(segment[0]);
      expect(data.states[segment[2]]).toBeDefined();
      expect(data.strings[segment[3]]).toBeDefined();
    }
  });

  it('has a target for every link in the page, and no id twice', () => {
    const ids = [...markupOf(pass).matchAll(/\sid="([^"]+)"/g)].map((match) => match[1]!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const match of pass.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(match[1]);
    for (const match of pass.matchAll(/aria-labelledby="([^"]+)"/g)) expect(ids).toContain(match[1]);
  });

  it('closes every element that it opens', () => {
    const open: string[] = [];
    const empty = new Set(['meta', 'input', 'br']);
    for (const [, close, name, selfClosed] of markupOf(fail).replace(/<!doctype html>/, '').matchAll(/<(\/?)([a-z0-9]+)(?:\s+[\w-]+(?:="[^"]*")?)*\s*(\/?)>/g)) {
      if (empty.has(name!) || selfClosed === '/') continue;
      if (close === '') open.push(name!);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
  });

  it('shows hostile text as text, in the tables and in the data', () => {
    expect(fail).not.toContain('<b onclick');
    expect(markupOf(fail)).not.toMatch(/<img/);
    expect(markupOf(fail)).toContain('&lt;/script&gt;&lt;b onclick=x&gt;&quot;&#39;&amp;&lt;/b&gt;');
    expect(fail.match(/<script/g)).toHaveLength(3);
    expect(dataOf(fail).log.rows.some((row) => row[5] === `hostile${hostile}`)).toBe(true);
  });

  it('says the verdict in big words, and the repeat command to copy', () => {
    expect(pass).toContain('aria-label="Verdict: PASS"');
    expect(pass).toContain('All 8 checks proved what they claim.');
    expect(pass).toContain(`<code id="repro" tabindex="0" aria-labelledby="repro-label">${input.repro}</code>`);
    expect(fail).toContain('3 of 8 checks failed: integrity, availability, single-optimized; unknown: self-watch.');
  });

  it('warns of defects and of an interruption only where there are any', async () => {
    expect(fail).toMatch(/class="banner defects" role="alert"><strong>Defects are switched on: 2\.<\/strong>/);
    expect(pass).not.toContain('class="banner defects"');
    expect(pass).not.toContain('Interrupted.');
    expect(await renderHtml({ ...input, verdict: { ...input.verdict, interrupted: true } })).toContain('<strong>Interrupted.</strong>');
  });

  it('opens the evidence of what is no pass, and says what each checker proves', () => {
    const rows = [...fail.matchAll(/<tr class="check v-(\w+)">.*?<\/tr>/gs)].map((match) => ({ verdict: match[1]!, text: match[0] }));
    expect(rows).toHaveLength(8);
    for (const row of rows.filter((each) => each.text.includes('class="evidence"'))) {
      expect(row.text.includes('<details class="evidence" open>')).toBe(row.verdict !== 'pass');
      expect(row.text).toMatch(/class="proves">[A-Z]/);
    }
  });

  it('lists each stall against its bound, worst first, and each bound with its terms', () => {
    const stalls = /<section id="stalls".*?<\/section>/s.exec(fail)![0];
    expect(stalls.match(/✕ over by/g)).toHaveLength(2);
    expect(stalls.match(/✓ within/g)).toHaveLength(2);
    expect(stalls.indexOf('over by')).toBeLessThan(stalls.indexOf('within'));
    const bounds = /<section id="bounds".*?<\/section>/s.exec(pass)![0];
    for (const bound of input.plan.bounds) for (const term of bound.terms) expect(bounds).toContain(term.reason);
  });

  it('is made of a run that never got anywhere', async () => {
    const empty = await renderHtml({ ...input, events: [], samples: [], stalls: [], verdict: { format: 1, runId: 'r', verdict: 'infra', interrupted: true, checks: [] } });
    expect(empty).toContain('No checker has judged this run.');
    expect(empty).toContain('No fault was injected.');
    expect(dataOf(empty).lengthUs).toBeGreaterThan(0);
  });
});
