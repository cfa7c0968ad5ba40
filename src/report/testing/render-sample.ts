import { writeFile } from 'node:fs/promises';
import { renderHtml } from '../html.js';
import { sampleRun } from './sample-run.js';

/**
 * Writes a report of made-up data, for looking at the page:
 * `npx tsx src/report/testing/render-sample.ts out.html [pass|fail|hostile|scale]`.
 */
const [file, kind = 'pass'] = process.argv.slice(2);
if (file === undefined) throw new Error('name the file to write');
const options = {
  pass: {},
  fail: { broken: true },
  hostile: { broken: true, hostile: '</script><b onclick=x>"\'&</b>' },
  scale: { gateways: 16, namespaces: 64, broken: true },
}[kind];
if (options === undefined) throw new Error(`unknown kind ${kind}`);
await writeFile(file, await renderHtml(await sampleRun(options)));
