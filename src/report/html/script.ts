import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { formatCount, formatMoment, formatSpan } from '../format.js';
import { createChart } from '../page/chart.js';
import { createPage } from '../page/context.js';
import { wireControls } from '../page/controls.js';
import { drawEventLog } from '../page/event-log.js';
import { drawLanes } from '../page/lanes.js';
import { drawLatency } from '../page/latency.js';
import { drawLineCharts } from '../page/line-charts.js';
import { startPage } from '../page/main.js';

const require = createRequire(import.meta.url);

/** uPlot as its package ships it for script elements, and its licence, which has to travel along. */
export async function loadPlotLibrary(): Promise<{ script: string; style: string; licence: string }> {
  const read = (name: string): Promise<string> => readFile(require.resolve(name), 'utf8');
  const [script, style, licence] = await Promise.all([read('uplot/dist/uPlot.iife.min.js'), read('uplot/dist/uPlot.min.css'), read('uplot/LICENSE')]);
  return { script: inScript(script.replace(/^\/\*!.*?\*\/\s*/s, '')), style, licence: licence.replaceAll('--', '- -').trim() };
}

/**
 * The page's own script: the source of the functions in page/, as the running program has them. They are
 * type-checked and linted with everything else and need no bundler, at the price of a rule: such a function
 * refers to nothing outside itself but its parameters (page-parts.test.ts holds them to it).
 */
export function pageScript(): string {
  const list = (functions: Record<string, unknown>): string =>
    `{ ${Object.entries(functions).map(([name, value]) => `${name}: ${String(value)}`).join(',\n')} }`;
  const formats = list({ formatSpan, formatMoment, formatCount });
  const parts = list({ createPage, createChart, drawLanes, drawLineCharts, drawLatency, drawEventLog, wireControls });
  // Some TypeScript runners (esbuild's keepNames) wrap functions in a call to this helper.
  const keepName = 'const __name = (value) => value;';
  return inScript(`'use strict';\n(() => {\n${keepName}\n(${String(startPage)})(window, uPlot, ${formats}, ${parts});\n})();`);
}

/** Source for a script element must not contain what ends or comments it; in our sources these only occur in strings. */
function inScript(source: string): string {
  return source.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
}

/** A source expression for Content-Security-Policy that allows exactly this script. */
export function scriptHash(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}
