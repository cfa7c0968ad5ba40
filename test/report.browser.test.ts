import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../src/report/index.js';
import { sampleRun } from '../src/report/testing/sample-run.js';

/** The first of these that starts; undefined: this machine has none. */
function findChromium(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore', timeout: 20_000 });
      return name;
    } catch {
      continue;
    }
  }
  return undefined;
}

const chromium = findChromium();
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--enable-logging=stderr', '--virtual-time-budget=5000', '--window-size=1400,1800',
];

describe.skipIf(chromium === undefined)(`the report in a real browser${chromium === undefined ? ' (skipped: no chromium on this machine)' : ''}`, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pathproof-report-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  async function load(name: string, html: string, hash = ''): Promise<{ dom: string; console: string[] }> {
    const file = join(folder, `${name}.html`);
    await writeFile(file, html);
    const profile = join(folder, `profile-${name}`);
    return new Promise((resolve, reject) => {
      execFile(chromium!, [...flags, `--user-data-dir=${profile}`, '--dump-dom', pathToFileURL(file).href + hash], { maxBuffer: 2 ** 28, timeout: 100_000 }, (error, stdout, stderr) => {
        if (error !== null) reject(new Error(`${error.message}\n${stderr.slice(-2_000)}`));
        else resolve({ dom: stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE')) });
      });
    });
  }

  it('draws charts and lanes and complains about nothing', async () => {
    const { dom, console } = await load('pass', await renderHtml(await sampleRun()));
    expect(console).toEqual([]);
    expect(dom).toContain('data-rendered="3 charts, 32 lanes, 0 errors"');
    expect(dom).not.toContain('data-errors');
    expect(dom.match(/<canvas/g)).toHaveLength(3);
    expect(dom.match(/class="lane-drawing"/g)).toHaveLength(32);
    expect(dom).toMatch(/<text [^>]*class="fault-name"[^>]*>F1 gateway-kill gw1<\/text>/);
    expect(dom).toMatch(/<tr class="level-warn">.*?gateway-kill on gw1/s);
  }, 120_000);

  it('shows hostile text without running it, and obeys a linked time range', async () => {
    const hostile = '</script><script>document.documentElement.dataset.pwned=1</script><img src=x onerror="document.documentElement.dataset.pwned=2">';
    const { dom, console } = await load('hostile', await renderHtml(await sampleRun({ broken: true, hostile })), '#t=5.000000-8.000000');
    expect(console).toEqual([]);
    expect(dom).toContain('3 charts, 32 lanes, 0 errors');
    expect(dom).not.toContain('data-pwned');
    expect(dom).toContain('5.000 s – 8.000 s (3.00 s)');
  }, 120_000);

  it('stays usable with 16 gateways and 64 namespaces', async () => {
    const { dom, console } = await load('large', await renderHtml(await sampleRun({ gateways: 16, namespaces: 64 })));
    expect(console).toEqual([]);
    expect(dom).toMatch(/data-rendered="3 charts, \d+ lanes, 0 errors"/);
    expect(dom.match(/class="lane-block"/g)!.length).toBeGreaterThanOrEqual(18);
  }, 240_000);
});
