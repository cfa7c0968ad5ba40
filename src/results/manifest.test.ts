import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEvidence, recordDerived, sealRun, type Manifest } from './manifest.js';

let dir: string;
const file = (name: string): string => join(dir, name);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pathproof-manifest-'));
  mkdirSync(file('logs'));
  writeFileSync(file('plan.json'), '{}');
  writeFileSync(file('history.ndjson'), '{"seq":1}\n');
  writeFileSync(file('logs/gw1.log'), 'hello\n');
  writeFileSync(file('journal-host1.ppj'), Buffer.alloc(300_000, 7));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const info = { runId: 'run-1', version: '0.1.0' };
async function judged(by: 'run' | 'recheck' = 'run', text = 'verdict'): Promise<void> {
  const evidence = await checkEvidence(dir);
  writeFileSync(file('verdict.json'), text);
  writeFileSync(file('report.html'), `<p>${text}`);
  await recordDerived(dir, by, '0.1.0', evidence);
}
const problems = async (): Promise<[string, string][]> => (await checkEvidence(dir)).problems.map(({ kind, path }) => [kind, path]);

describe('the manifest of a run', () => {
  it('lists every file of evidence, in folders too, and leaves out what is made from it', async () => {
    const hash = await sealRun(dir, info);
    await judged();
    const manifest = JSON.parse(readFileSync(file('manifest.json'), 'utf8')) as Manifest;
    expect(manifest.files.map(({ path }) => path)).toEqual(['history.ndjson', 'journal-host1.ppj', 'logs/gw1.log', 'plan.json']);
    // sha256sum of "hello\n".
    expect(manifest.files[2]).toEqual({ path: 'logs/gw1.log', bytes: 6, sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' });
    const evidence = await checkEvidence(dir);
    expect(evidence).toMatchObject({ manifestSha256: hash, files: 4, bytes: 300_018, problems: [] });
    expect(evidence.judgings).toMatchObject([{ seq: 1, by: 'run', previousSha256: hash, evidence: 'intact' }]);
  });

  it('is written once', async () => {
    await sealRun(dir, info);
    await expect(sealRun(dir, info)).rejects.toThrow(expect.objectContaining({ code: 'MANIFEST_WRITE', exitCode: 3 }));
  });

  it.each<[string, () => void, [string, string][]]>([
    ['one byte of a journal', () => writeFileSync(file('journal-host1.ppj'), Buffer.concat([Buffer.alloc(299_999, 7), Buffer.of(8)])), [['changed', 'journal-host1.ppj']]],
    ['a line at the end of the history', () => appendFileSync(file('history.ndjson'), '{"seq":2}\n'), [['changed', 'history.ndjson']]],
    ['a log that is gone', () => rmSync(file('logs/gw1.log')), [['missing', 'logs/gw1.log']]],
    ['a journal that was slipped in', () => writeFileSync(file('journal-host2.ppj'), ''), [['added', 'journal-host2.ppj']]],
    ['a file that became a link', () => {
      rmSync(file('plan.json'));
      symlinkSync('/dev/null', file('plan.json'));
    }, [['changed', 'plan.json']]],
    ['a verdict that was edited', () => writeFileSync(file('verdict.json'), 'pass!'), [['derived', 'verdict.json']]],
    ['a manifest that was edited', () => appendFileSync(file('manifest.json'), ' '), [['derived', 'derived.ndjson']]],
    ['a manifest that is no JSON', () => writeFileSync(file('manifest.json'), '{'), [['manifest', 'manifest.json'], ['derived', 'derived.ndjson']]],
    ['a manifest that is gone', () => rmSync(file('manifest.json')), [['unsealed', 'manifest.json'], ['derived', 'derived.ndjson']]],
    ['a chain of judgings that was cut', () => rmSync(file('derived.ndjson')), [['derived', 'verdict.json'], ['derived', 'report.html']]],
    ['a line that is no record', () => appendFileSync(file('derived.ndjson'), 'x\n'), [['derived', 'derived.ndjson']]],
  ])('shows %s', async (_, change, expected) => {
    await sealRun(dir, info);
    await judged();
    change();
    expect(await problems()).toEqual(expected);
  });

  it('a recheck makes derived files anew and leaves a chain; the evidence stays as it is', async () => {
    await sealRun(dir, info);
    await judged();
    const sealed = readFileSync(file('manifest.json'));
    await judged('recheck', 'another');
    await judged('recheck', 'a third');
    const { judgings, problems: found } = await checkEvidence(dir);
    expect(found).toEqual([]);
    expect(judgings.map(({ seq, by }) => [seq, by])).toEqual([[1, 'run'], [2, 'recheck'], [3, 'recheck']]);
    expect(readFileSync(file('manifest.json'))).toEqual(sealed);
    // One taken out of the middle breaks it.
    const lines = readFileSync(file('derived.ndjson'), 'utf8').split('\n');
    writeFileSync(file('derived.ndjson'), [lines[0], lines[2], ''].join('\n'));
    expect(await problems()).toEqual([['derived', 'derived.ndjson']]);
  });

  it('derived files that are gone are no problem: they can be made again', async () => {
    await sealRun(dir, info);
    await judged();
    rmSync(file('report.html'));
    expect(await problems()).toEqual([]);
  });

  it('a recheck of evidence that is altered, or was never sealed, says so and seals nothing', async () => {
    await sealRun(dir, info);
    await judged();
    appendFileSync(file('history.ndjson'), 'x');
    await judged('recheck');
    expect((await checkEvidence(dir)).judgings.at(-1)).toMatchObject({ by: 'recheck', evidence: 'altered' });
    expect(await problems()).toEqual([['changed', 'history.ndjson']]);

    for (const name of ['manifest.json', 'derived.ndjson']) rmSync(file(name));
    await judged('recheck');
    expect((await checkEvidence(dir)).judgings).toMatchObject([{ by: 'recheck', evidence: 'unsealed', previousSha256: null }]);
    expect(existsSync(file('manifest.json'))).toBe(false);
  });
});
