import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shard, shardOf } from './shard.js';

describe('shards', () => {
  it('are disjoint, whole, in order and of even size', () => {
    fc.assert(fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (scenarios, count) => {
      const all = Array.from({ length: scenarios }, (_, i) => i);
      const parts = Array.from({ length: count }, (_, i) => shardOf(all, { index: i + 1, count }));
      expect(parts.flat().sort((a, b) => a - b)).toEqual(all);
      for (const part of parts) expect(part).toEqual([...part].sort((a, b) => a - b));
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }));
  });

  it('are written I/N', () => {
    expect(shard('2/3')).toEqual({ index: 2, count: 3 });
    for (const text of ['0/3', '4/3', '1', '1/0', 'a/b', '1/3/5', '-1/3']) expect(() => shard(text)).toThrow(/I\/N is wanted/);
  });

  it('are in the record of what they ran', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ppshard-'));
    try {
      const scenario = (name: string) => ({ name, title: name, description: 'nothing.', labs: ['qemu'], steps: [{ do: 'run', forMs: 0 }] });
      writeFileSync(join(dir, 'three.suite.mjs'), `export default ${JSON.stringify({ name: 'three', scenarios: ['one', 'two', 'three'].map(scenario) })};\n`);
      const results = join(dir, 'results');
      // Scenarios for another lab: they are skipped, which is stored like a run, and takes no time.
      const main = fileURLToPath(new URL('main.ts', import.meta.url));
      const { all } = await execa(process.execPath, ['--import', 'tsx', main, 'run', join(dir, 'three.suite.mjs'), '--seed', 's', '--shard', '1/2', '--results', results], { reject: false, all: true, env: { PATHPROOF_STATE: join(dir, 'state') } });
      const stored = readdirSync(join(results, 'three')).map((run) => JSON.parse(readFileSync(join(results, 'three', run, 'skip.json'), 'utf8')) as { scenario: string; shard: string });
      expect(stored.map(({ scenario: name, shard: of }) => [name, of]).sort(), all).toEqual([['one', '1/2'], ['three', '1/2']]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }, 300_000);
});
