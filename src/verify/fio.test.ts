import { describe, expect, it } from 'vitest';
import { fio } from './fio.js';
import { judge } from './index.js';
import { fioReport, fioRun, regionBytes } from './testing/fio-run.js';
import { healthyRun } from './testing/healthy-run.js';
import type { DraftRun } from './testing/run.js';
import type { CheckResult } from './types.js';

const main = 'fio/host1/mix/main';
const verify = 'fio/host1/mix/verify';
const names = ['ns1', 'ns2', 'ns3'];
const texts = (result: CheckResult): string => result.evidence.map(({ text }) => text).join('\n');
const check = (run: DraftRun): Promise<CheckResult> => fio.check(run.input);

function exitWith(run: DraftRun, phase: string, exitCode: number | null, signal: string | null = null, endedBy: 'itself' | 'stop' | 'kill' = 'itself'): DraftRun {
  return run.change('fio.process', (body) => body.phase === phase && body.state === 'ended', () => ({ exitCode, signal, endedBy }));
}

describe('the checker fio', () => {
  it('proves a run whose jobs all ran, wrote, read and verified', async () => {
    const result = await check(fioRun());
    expect(result.verdict, texts(result)).toBe('pass');
    expect(result.metrics).toMatchObject({ jobs: 1, processes: 3, reads: 1_200, writes: 1_200, ioErrors: 0, verifyErrors: 0, bytesVerified: 3 * regionBytes, latencyP50Ms: 0.2, latencyMaxMs: 9 });
  });

  it('is absent from the verdict of a run whose plan has no fio, and there for one that has', async () => {
    const without = await judge(healthyRun().input, 'r', false);
    expect(without.checks.map(({ checker }) => checker)).not.toContain('fio');
    expect(without.verdict).toBe('pass');
    const withFio = await judge(fioRun().input, 'r', false);
    expect(withFio.checks.map(({ checker }) => checker)).toEqual(expect.arrayContaining(['fio', 'fio-stalls']));
    expect(withFio.verdict).toBe('pass');
  });

  describe('fails', () => {
    it('for a block that fails verification while the job runs, and says what is wrong with it', async () => {
      const run = exitWith(fioRun(), 'main', 1);
      run.fioFiles!.set(`${main}/stderr.txt`, 'crc32c: verify failed at file /dev/nvme0n1 offset 1052672, length 4096 (requested block: offset=1052672, length=4096)\n       Expected CRC: 5c975db9\n       Received CRC: ac83a1a3\n');
      run.fioFiles!.set(`${main}/nvme0n1.1052672.received`, Buffer.alloc(4_096));
      run.fioFiles!.set(`${main}/report.json`, fioReport(names.map((name) => ({ name, reads: 4, writes: 4, error: name === 'ns1' ? 84 : 0 }))));
      const result = await check(run);
      expect(result.verdict).toBe('fail');
      expect(texts(result)).toMatch(/mix \(main\) on host1: crc32c: verify failed at file \/dev\/nvme0n1 offset 1052672.*only zeroes/);
      expect(result.metrics['verifyErrors']).toBe(1);
    });

    it('for corruption that the verify phase names although its status is 0', async () => {
      const run = fioRun();
      run.fioFiles!.set(`${verify}/stderr.txt`, 'verify: bad magic header 0, wanted acca at file /dev/nvme0n1 offset 1048576, length 4096 (requested block: offset=1048576, length=4096)\n');
      const result = await check(run);
      expect(result.verdict).toBe('fail');
      expect(result.summary).toMatch(/bad magic header 0/);
    });

    it('for failed verifications that fio only counts', async () => {
      const run = fioRun();
      run.fioFiles!.set(`${verify}/report.json`, fioReport(names.map((name) => ({ name, reads: 768, readBytes: regionBytes, error: 84, totalErrors: 2 }))));
      expect(await check(run)).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/fio counted 6 failed verifications more than it named/) as string });
    });

    it('for an I/O error that ended the job, and one that was tolerated', async () => {
      const run = exitWith(fioRun(), 'main', 1);
      run.fioFiles!.set(`${main}/stderr.txt`, 'fio: io_u error on file /dev/nvme0n1: Input/output error: write offset=1048576, buflen=4096\n');
      run.fioFiles!.set(`${main}/report.json`, fioReport(names.map((name) => ({ name, reads: 4, writes: 4, error: name === 'ns1' ? 5 : 0 }))));
      const ended = await check(run);
      expect([ended.verdict, ended.metrics['ioErrors']]).toEqual(['fail', 1]);
      expect(texts(ended)).toMatch(/1 I\/O error, 0 may be/);

      const tolerant = fioRun({ onIoError: 'continue' });
      tolerant.fioFiles!.set(`${main}/report.json`, fioReport(names.map((name) => ({ name, reads: 400, writes: 400, error: 5, totalErrors: 3 }))));
      expect(await check(tolerant)).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/9 I\/O errors, 0 may be/) as string });
      tolerant.plan.expect.failedIoMax = 9;
      expect((await check(tolerant)).verdict).toBe('pass');
    });

    it('for an exit status that is not 0, whatever the reason', async () => {
      expect(await check(exitWith(fioRun(), 'verify', 1))).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/mix \(verify\) on host1 ended with status 1/) as string });
    });
  });

  describe('says unknown', () => {
    it.each<[string, (run: DraftRun) => unknown, RegExp]>([
      ['when the final verification never ran', (run) => run.remove('fio.process', ({ phase }) => phase === 'verify'), /the final verification never ran/],
      ['when a phase has no end in the record', (run) => run.remove('fio.process', ({ phase, state }) => phase === 'main' && state === 'ended'), /its end is not in the record/],
      ['when the output is cut off', (run) => run.fioFiles!.set(`${main}/stdout.txt`, '{\n  "fio version" : "fio-3.33",\n  "jobs" : [\n    {\n      "jobn'), /its output is cut off|TRUNC|line \d+, column/],
      ['when there is no report', (run) => run.fioFiles!.delete(`${main}/report.json`), /its output is cut off, there is no report/],
      ['when the job was killed', (run) => exitWith(run, 'main', null, 'SIGKILL', 'kill'), /did not end and was killed/],
      ['when somebody else ended it', (run) => exitWith(run, 'main', null, 'SIGSEGV'), /ended by SIGSEGV, which pathproof did not send/],
      ['when it ended before the load did', (run) => exitWith(run, 'main', 0), /ended by itself before the load did/],
      ['when a namespace had no writes', (run) => run.fioFiles!.set(`${main}/report.json`, fioReport(names.map((name) => ({ name, reads: 400, writes: name === 'ns2' ? 0 : 400 })))), /namespace 2 had no writes, so nothing was tested there/],
      ['when a namespace is not in the report', (run) => run.fioFiles!.set(`${main}/report.json`, fioReport([{ name: 'ns1', reads: 1, writes: 1 }])), /says nothing of namespace 2/],
      ['when not everything was verified', (run) => run.fioFiles!.set(`${verify}/report.json`, fioReport(names.map((name) => ({ name, reads: 768, readBytes: name === 'ns3' ? 4_096 : regionBytes })))), /4096 of 3145728 bytes of namespace 3 were verified/],
      ['when nobody stored the artifacts', (run) => (run.fioFiles = undefined), /artifacts of fio cannot be read/],
      ['when files of it are missing', (run) => run.change('fio.process', ({ phase, state }) => phase === 'verify' && state === 'ended', () => ({ message: 'its files could not be fetched: gone' })), /could not be fetched/],
    ])('%s', async (_, change, expected) => {
      const run = fioRun();
      change(run);
      const result = await check(run);
      expect(result.verdict, texts(result)).toBe('unknown');
      expect(texts(result)).toMatch(expected);
    });

    it('for corruption where a write had ended in an error, if this fio reports that; a newer one proves it', async () => {
      const run = fioRun({ onIoError: 'continue' });
      run.plan.expect.failedIoMax = 1;
      run.fioFiles!.set(`${main}/stderr.txt`, [
        'fio: io_u error on file /dev/nvme0n1: Input/output error: write offset=1048576, buflen=4096',
        'crc32c: verify failed at file /dev/nvme0n1 offset 1048576, length 4096 (requested block: offset=1048576, length=4096)', '',
      ].join('\n'));
      const old = await check(run);
      expect(old.verdict).toBe('unknown');
      expect(texts(old)).toMatch(/a write there had ended in an error, and fio-3\.33 reports such blocks as corrupt/);
      run.change('fio.process', () => true, () => ({ version: 'fio-3.43' }));
      expect((await check(run)).verdict).toBe('fail');
      // Elsewhere the old one proves it, too.
      run.change('fio.process', () => true, () => ({ version: 'fio-3.33' }));
      run.fioFiles!.set(`${main}/stderr.txt`, String(run.fioFiles!.get(`${main}/stderr.txt`)).replaceAll('offset 1048576', 'offset 1056768'));
      expect((await check(run)).verdict).toBe('fail');
    });

    it('for a timed job that ran too short, and passes that are not whole', async () => {
      const timed = exitWith(fioRun({ runtimeMs: 9_000 }), 'main', 0);
      expect(await check(timed)).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/ran for 8000 of 9000 ms/) as string });
      const passes = exitWith(fioRun({ passes: 2, mode: 'randwrite' }), 'main', 0);
      expect(await check(passes)).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/1638400 of 6291456 bytes of its 2 passes/) as string });
    });
  });

  describe('says infra', () => {
    it('when fio could not be started', async () => {
      const run = fioRun().change('fio.process', ({ phase, state }) => phase === 'main' && state === 'started', () => ({ state: 'failed', message: 'no such file' }));
      expect(await check(run)).toMatchObject({ verdict: 'infra', summary: expect.stringMatching(/could not be started: no such file/) as string });
    });
    it('when fio did not accept what it was told', async () => {
      const run = exitWith(fioRun(), 'main', 1);
      run.fioFiles!.set(`${main}/stderr.txt`, 'fio: unrecognized option \'--bogus=1\'\n');
      run.fioFiles!.delete(`${main}/report.json`);
      expect((await check(run)).verdict).toBe('infra');
    });
  });
});
