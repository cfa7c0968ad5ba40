import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseFioJson } from '../json/report.js';
import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { DIRECTION_FIELDS, TAIL_FIELDS } from './layout.js';
import { parseFioTerse } from './parse.js';

/** A terse line in fio's arrangement with made-up numbers. */
function terseLine(version: 3 | 4 | 5, directions: number, { name = 'job', tail = '' } = {}): string {
  const percentiles = Array.from({ length: 20 }, (_, index) => (index < 2 ? `${(index + 1) * 50}.000000%=${index + 1}` : '0%=0'));
  const direction = ['40', '400', '100', '1000', '1', '2', '1.5', '0.5', '3', '4', '3.5', '0.25', ...percentiles, '5', '6', '5.5', '0.125', '300', '500', '50.0%', '400.0', '10.0'];
  const more = version === 5 ? ['2', '75', '125', '100.0', '2.5', '4'] : [];
  const blocks = Array.from({ length: directions }, () => [...direction, ...more]).flat();
  expect(blocks.length).toBe(directions * DIRECTION_FIELDS[version]);
  const percents = ['100.0%', ...Array.from({ length: 6 }, () => '0.0%'), ...Array.from({ length: 10 }, () => '1.00%'), ...Array.from({ length: 12 }, () => '-nan%')];
  const end = ['1.5%', '2.5%', '3', '0', '13', ...percents];
  expect(end.length).toBe(TAIL_FIELDS);
  return [String(version), 'fio-3.33', name, '0', '5', ...blocks, ...end].join(';') + tail + '\n';
}

describe('a terse line', () => {
  it.each([
    [3, 2, ['read', 'write']],
    [4, 3, ['read', 'write', 'trim']],
    [5, 3, ['read', 'write', 'trim']],
    [3, 1, ['mixed']],
    [5, 1, ['mixed']],
    [3, 3, ['read', 'write', 'mixed']],
    [4, 4, ['read', 'write', 'trim', 'mixed']],
  ] as const)('of version %i with %i directions', (version, count, names) => {
    const { jobs, problems } = parseFioTerse(terseLine(version, count));
    expect(problems).toEqual([]);
    const job = jobs[0]!;
    expect(Object.keys(job).filter((key) => ['read', 'write', 'trim', 'mixed'].includes(key))).toEqual(names);
    expect(job).toMatchObject({ terseVersion: version, name: 'job', groupId: 0, error: 5, systemCpuPercent: 2.5, contextSwitches: 3, minorFaults: 13, line: 1, disks: [] });
    const direction = job[names[0]]!;
    expect(direction).toMatchObject({ totalKiB: 40, iops: 100, submission: { minUs: 1 }, completion: { stddevUs: 0.25 }, total: { meanUs: 5.5 }, bandwidthOfGroupPercent: 50, bandwidthStddevKiBPerS: 10 });
    expect(direction.percentiles).toEqual([{ percent: 50, us: 1 }, { percent: 100, us: 2 }]);
    if (version === 5) expect(direction).toMatchObject({ bandwidthSamples: 2, iopsSampled: { min: 75, samples: 4 } });
    else expect(direction).not.toHaveProperty('iopsSampled');
    expect(job.latencyMsPercent[0]).toBeNaN();
  });

  it('may hold semicolons in name and description, disks and error counts', () => {
    const tail = ';sda;1;2;3;4;5;6;7;8.5%;sdb;1;2;3;4;5;6;7;0.00%;9;121;a;b;1';
    expect(parseFioTerse(terseLine(3, 2, { name: 'x;1;y', tail })).jobs).toMatchObject([
      { name: 'x;1;y', disks: [{ name: 'sda', readTicksMs: 5, utilPercent: 8.5 }, { name: 'sdb' }], totalErrors: 9, firstError: 121, description: 'a;b;1' },
    ]);
  });

  it('that is cut off is told, wherever the cut', () => {
    const line = terseLine(4, 3);
    for (let length = 12; length < line.length; length += 3) {
      const { jobs, problems } = parseFioTerse(`note\n${line.slice(0, length)}`);
      expect(problems, `cut at ${length}`).toMatchObject([{ code: 'TRUNCATED', line: 2, column: 1 }]);
      // The last percentage may end anywhere without losing its shape.
      expect(jobs.length).toBe(length > line.length - 6 && line[length - 1] === '%' ? 1 : 0);
    }
  });

  it('among other lines, and of a version that is not read', () => {
    const { jobs, problems, messages } = parseFioTerse(`hello\n${terseLine(3, 2)}fio: terminating on signal 15\n9;fio-9.9;x;0;0\n${terseLine(5, 3)}`);
    expect(jobs.map(({ line }) => line)).toEqual([2, 5]);
    expect(messages).toMatchObject([{ kind: 'terminated', signal: 15, line: 3 }]);
    expect(problems).toMatchObject([{ code: 'VERSION_UNKNOWN', line: 4 }]);
  });

  it('with fields changed at random is read or told', () => {
    const fields = terseLine(5, 3, { tail: ';sda;1;2;3;4;5;6;7;8.5%;x' }).trimEnd().split(';');
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(fields.length - 1), fc.oneof(fc.string(), fc.constantFrom('', '1', '2.5%', 'nan%', '0%=0'))), { maxLength: 6 }), fc.boolean(), (edits, drop) => {
        const changed = [...fields];
        for (const [at, put] of edits) {
          if (drop) changed.splice(at, 1);
          else changed[at] = put;
        }
        const { jobs, problems } = parseFioTerse(changed.join(';') + '\n');
        expect(jobs.length + problems.length).toBeGreaterThanOrEqual(changed[1]?.startsWith('fio-') === true && changed[0] === '5' && changed.length > 2 ? 1 : 0);
      }),
      { numRuns: 300 },
    );
  });
});

describe.skipIf(fioVersion === undefined)(`terse of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  for (const version of [3, 4, 5] as const) {
    it(`version ${version} says the same as json of the same run`, async () => {
      for (const extra of [[], ['--unified_rw_reporting=mixed'], ['--unified_rw_reporting=both'], ['--lat_percentiles=1'], ['--percentile_list=50:90'], ['--continue_on_error=all', '--description=x;1;2']]) {
        const run = await runFio(directory.path, '--name=a;b', '--filename=data', '--size=512k', '--rw=randrw', '--ioengine=psync', '--output-format=terse,json', `--terse-version=${version}`, ...extra);
        expect(run.code, run.stderr).toBe(0);
        const terse = parseFioTerse(run.stdout);
        const json = parseFioJson(run.stdout).reports[0]!.jobs[0]!;
        expect(terse.problems).toEqual([]);
        expect(terse.jobs).toHaveLength(1);
        const job = terse.jobs[0]!;
        expect(job).toMatchObject({ terseVersion: version, version: fioVersion, name: 'a;b', error: 0, contextSwitches: json.contextSwitches, minorFaults: json.minorFaults });
        expect(job.description).toBe(json.description);
        expect(job.totalErrors).toBe(json.totalErrors);
        expect(job.disks.length).toBeGreaterThanOrEqual(0);
        for (const name of ['read', 'write', 'trim', 'mixed'] as const) {
          const ours = job[name];
          const theirs = json[name];
          if (version === 3 && name === 'trim') expect(ours).toBeUndefined();
          else expect(ours === undefined, name).toBe(theirs === undefined);
          if (ours === undefined || theirs === undefined) continue;
          expect(ours.totalKiB).toBe(Math.floor(theirs.ioBytes / 1024));
          expect(ours.runtimeMs).toBe(theirs.runtimeMs);
          expect(ours.iops).toBe(Math.floor(theirs.iops));
          for (const kind of ['submission', 'completion', 'total'] as const) {
            expect(ours[kind].maxUs).toBe(Math.floor(theirs[kind].maxNs / 1000));
            expect(ours[kind].meanUs).toBeCloseTo(theirs[kind].meanNs / 1000, 4);
          }
          const source = extra[0] === '--lat_percentiles=1' ? theirs.total : theirs.completion;
          if (source.samples > 0) expect(ours.percentiles).toEqual(source.percentiles.map(({ percent, ns }) => ({ percent, us: Math.floor(ns / 1000) })));
        }
      }
    });
  }
});
