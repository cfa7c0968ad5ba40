import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { parseFioEta } from './parse.js';

describe('progress lines', () => {
  it('have the rates of the directions that had I/O', () => {
    expect(parseFioEta('Jobs: 1 (f=1): [m(1)][75.0%][r=64.8MiB/s,w=64.9MiB/s][r=16.6k,w=16.2k IOPS][eta 00m:01s]')).toEqual({ jobs: 1, files: 1, readIops: 16_600, writeIops: 16_200, trimIops: 0, percent: 75 });
    expect(parseFioEta('Jobs: 3 (f=4): [D(1),w(2)][5.0%][t=2049KiB/s][t=1.2M IOPS][eta 01h:02m:12s]')).toMatchObject({ jobs: 3, files: 4, readIops: 0, writeIops: 0, trimIops: 1_200_000 });
  });

  it('of a job with a limited rate have the limit, which is no rate', () => {
    expect(parseFioEta('Jobs: 2 (f=2), 0-20 IOPS: [w(2)][20.0%][w=79KiB/s][w=19 IOPS][eta 00m:12s]')).toMatchObject({ writeIops: 19, readIops: 0 });
    expect(parseFioEta('Jobs: 2 (f=2), 0-20 IOPS: [w(2)][-.-%][eta 00m:12s]')).toEqual({ jobs: 2, files: 2, readIops: 0, writeIops: 0, trimIops: 0, percent: undefined });
  });

  it('of the first second have no rates', () => {
    expect(parseFioEta('Jobs: 2 (f=2)')).toEqual({ jobs: 2, files: 2, readIops: 0, writeIops: 0, trimIops: 0, percent: undefined });
  });

  it.each(['', '{', 'fio: pid=1, err=5', '  "jobs" : [', 'x Jobs: 1 (f=1)', 'Jobs: many (f=1)'])('are not %j', (line) => {
    expect(parseFioEta(line)).toBeUndefined();
  });
});

describe.skipIf(fioVersion === undefined)(`progress lines of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  it('say what a job with a known rate does, beside a report in a file', async () => {
    const run = await runFio(directory.path, '--output=report', '--output-format=json', '--eta=always', '--eta-newline=1', '--name=one', '--filename=data', '--size=1M', '--ioengine=psync', '--rw=randwrite', '--time_based', '--runtime=4', '--rate_iops=200', '--thread');
    expect(run.code, run.stderr).toBe(0);
    const etas = run.stdout.split(/[\r\n]+/).map((line) => parseFioEta(line.trimEnd())).filter((eta) => eta !== undefined);
    const rates = etas.map(({ writeIops }) => writeIops).filter((rate) => rate > 0);
    expect(rates.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...rates)).toBeGreaterThan(100);
    expect(Math.max(...rates)).toBeLessThan(400);
    expect(etas.every(({ jobs, readIops }) => jobs === 1 && readIops === 0)).toBe(true);
    // Nothing but progress is on standard output.
    expect(run.stdout.split(/[\r\n]+/).filter((line) => line.trim() !== '' && parseFioEta(line) === undefined)).toEqual([]);
  });
});
