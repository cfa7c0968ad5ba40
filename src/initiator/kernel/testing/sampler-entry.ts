import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** The sampler's thread as one file of JavaScript, as it runs in a guest. `remove` deletes it. */
export async function buildSamplerEntry(): Promise<{ entry: URL; remove: () => void }> {
  const out = mkdtempSync(join(tmpdir(), 'pp-sampler-entry-'));
  const loop = fileURLToPath(new URL('../sampler-loop.ts', import.meta.url));
  await build({
    stdin: { contents: `import { parentPort, workerData } from 'node:worker_threads'; import { samplerThread } from '${loop}'; samplerThread(workerData, parentPort);`, resolveDir: out, loader: 'ts' },
    bundle: true, platform: 'node', format: 'esm', outfile: join(out, 'entry.mjs'), logLevel: 'error',
  });
  return { entry: pathToFileURL(join(out, 'entry.mjs')), remove: () => rmSync(out, { recursive: true }) };
}
