import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FioParseError } from '../errors.js';
import { sampleReport } from '../testing/sample.js';
import { parseFioJson, wholeReport } from './report.js';

const WHOLE = sampleReport();

describe('a whole report', () => {
  it('becomes typed values with units', () => {
    const { reports, problems, messages } = parseFioJson(WHOLE);
    expect(problems).toEqual([]);
    expect(messages).toEqual([]);
    expect(reports).toHaveLength(1);
    const report = reports[0]!;
    expect(report).toMatchObject({ versionText: 'fio-3.33', version: { major: 3, minor: 33, suffix: '' }, timestampMs: 1_700_000_000_123, complete: true, client: false, line: 1 });
    expect(report.globalOptions['ioengine']).toBe('null');
    expect(report.jobs.map(({ name }) => name)).toEqual(['a', 'b']);
    const job = report.jobs[0]!;
    expect(job.etaS).toBeUndefined();
    expect(job.options['rw']).toBe('randrw');
    expect(job.read).toMatchObject({ ioBytes: 40_960, bandwidthBytesPerS: 409_600, totalIos: 10, bandwidthKiBPerS: { min: 300, mean: 400, samples: 2 } });
    expect(job.read?.completion).toMatchObject({ minNs: 1000, meanNs: 4321.5, samples: 10 });
    expect(job.ioDepthPercent).toEqual({ '1': 100, '>=64': 0 });
    expect(job.latencyTarget).toEqual({ targetUs: 0, windowUs: 0, percentile: 100, depth: 1 });
    expect(report.disks).toMatchObject([{ name: 'vda', readTicksMs: 5, utilPercent: 8.5 }]);
    expect(report.disks[0]).not.toHaveProperty('readSectors');
  });

  it('of an older fio has its two priority classes', () => {
    const latency = '{ "min" : 1, "max" : 3, "mean" : 2.0, "stddev" : 1.0, "N" : 4 }';
    const text = sampleReport({ version: 'fio-3.20' }).replace('"slat_ns"', `"clat_high_prio" : ${latency}, "clat_low_prio" : ${latency}, "slat_ns"`);
    expect(parseFioJson(text).reports[0]!.jobs[0]!.read?.highPriority).toMatchObject({ minNs: 1, samples: 4 });
  });

  it('may come as bytes', () => {
    expect(wholeReport(Buffer.from(WHOLE)).jobs).toHaveLength(2);
  });

  it('keeps keys that would collide with an object’s own', () => {
    const text = WHOLE.replace('"rw" : "randrw"', '"__proto__" : "x", "constructor" : "y"');
    const options = parseFioJson(text).reports[0]!.jobs[0]!.options;
    expect(Object.entries(options)).toContainEqual(['__proto__', 'x']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('what surrounds a report', () => {
  it('is sorted into messages and junk, with lines', () => {
    const text = `note: something\nfio: io_u error on file /dev/x: Input/output error: write offset=4096, buflen=512\n${WHOLE}\nbye\n`;
    const { reports, messages, problems } = parseFioJson(text);
    expect(reports).toMatchObject([{ complete: true, line: 3 }]);
    expect(messages).toMatchObject([{ kind: 'io-error', line: 2, file: '/dev/x', offset: 4096, length: 512, direction: 'write' }]);
    expect(problems).toMatchObject([
      { code: 'JUNK', severity: 'note', line: 1, column: 1, text: 'note: something' },
      { code: 'JUNK', severity: 'note', text: 'bye' },
    ]);
  });

  it('may stand between the lines of a report', () => {
    const { reports, messages, problems } = parseFioJson(sampleReport({ between: 'fio: terminating on signal 2\nother: line\n' }));
    expect(reports).toMatchObject([{ complete: true, jobs: [{ name: 'a', write: { totalIos: 0 } }, { name: 'b' }] }]);
    expect(messages.filter(({ kind }) => kind === 'terminated')).toHaveLength(2);
    expect(problems.some(({ code, text }) => code === 'JUNK' && text === 'other: line')).toBe(true);
  });

  it('may be several reports (status-interval), the last of them cut off', () => {
    const text = WHOLE + WHOLE + WHOLE.slice(0, WHOLE.indexOf('"b"'));
    const { reports, problems } = parseFioJson(text);
    expect(reports.map(({ complete, jobs }) => [complete, jobs.length])).toEqual([[true, 2], [true, 2], [false, 1]]);
    expect(problems).toMatchObject([{ code: 'TRUNCATED', severity: 'error' }]);
    expect(wholeReport(text).line).toBe(reports[1]!.line);
  });

  it('a report that begins inside another one ends that one', () => {
    const text = WHOLE.slice(0, WHOLE.indexOf('"groupid"')) + WHOLE;
    const { reports, problems } = parseFioJson(text);
    expect(reports.map(({ complete }) => complete)).toEqual([false, true]);
    expect(problems.find(({ code }) => code === 'TRUNCATED')).toMatchObject({ severity: 'error', line: 12 });
  });

  it('a message in the middle of a line is taken out, and every position of it is survived', () => {
    const message = 'crc32c: verify failed at file f offset 8192, length 4096 (requested block: offset=8192, length=4096, flags=8)\n       Expected CRC: 047e8587\n       Received CRC: 2b6eb017\n';
    const whole = JSON.stringify(parseFioJson(WHOLE).reports[0]!.jobs);
    for (let at = 2; at < WHOLE.length - 2; at += 7) {
      const { reports, messages } = parseFioJson(WHOLE.slice(0, at) + message + WHOLE.slice(at));
      expect(JSON.stringify(reports[0]?.jobs), `message at ${at}`).toBe(whole);
      expect(messages, `message at ${at}`).toMatchObject([{ kind: 'verify-data', check: 'crc32c', offset: 8192, expectedHex: '047e8587', receivedHex: '2b6eb017' }]);
    }
  });
});

describe('a cut', () => {
  it('at any place loses only what is behind it', () => {
    const whole = parseFioJson(WHOLE).reports[0]!;
    const ends = whole.jobs.map(({ name }) => WHOLE.indexOf('    }', WHOLE.indexOf(`"latency_window"`, WHOLE.indexOf(`"jobname" : "${name}"`))) + 5);
    for (let length = 1; length < WHOLE.length - 2; length += 5) {
      const { reports, problems } = parseFioJson(WHOLE.slice(0, length));
      expect(problems.some(({ severity }) => severity === 'error'), `cut at ${length}`).toBe(true);
      const jobs = reports[0]?.jobs ?? [];
      expect(jobs, `cut at ${length}`).toEqual(whole.jobs.slice(0, ends.filter((end) => end <= length).length));
      if (reports[0] !== undefined) expect(reports[0].complete).toBe(false);
    }
  });

  it('says line and column, and keeps what is left of the job', () => {
    const text = WHOLE.slice(0, WHOLE.indexOf('"groupid"') + 4);
    const { reports, problems } = parseFioJson(text);
    expect(problems).toMatchObject([{ code: 'TRUNCATED', message: 'the text ends inside a string', line: 12, column: 7 }]);
    expect(reports[0]!.cutJob).toMatchObject({ jobname: 'a' });
  });

  it('drops a number at the very end, which may have lost digits', () => {
    const at = WHOLE.indexOf('40960');
    expect(parseFioJson(WHOLE.slice(0, at + 3)).reports[0]!.cutJob?.['read']).not.toHaveProperty('io_bytes');
  });

  it('makes wholeReport throw, with the reason', () => {
    for (const text of ['', WHOLE.slice(0, 400), 'fio: failed parsing bs=zz\n']) {
      const error = caught(() => wholeReport(text));
      expect(error).toBeInstanceOf(FioParseError);
      expect(error).toMatchObject({ code: 'NO_REPORT' });
      expect((error as FioParseError).problems.length).toBeGreaterThan(0);
    }
  });
});

describe('odd values', () => {
  it.each([
    ['nan', 'NUMBER_NOT_FINITE', Number.NaN],
    ['-nan', 'NUMBER_NOT_FINITE', Number.NaN],
    ['-inf', 'NUMBER_NOT_FINITE', -Infinity],
    ['9223372036854775807', 'NUMBER_IMPRECISE', 2 ** 63],
  ])('%s is kept and told', (text, code, value) => {
    const { reports, problems } = parseFioJson(WHOLE.replace('"iops" : 100.000000', `"iops" : ${text}`));
    expect(reports[0]!.jobs[0]!.read?.iops).toBe(value);
    expect(problems).toMatchObject([{ code, line: 25 }]);
  });

  it('wrong types are told with the place of their object', () => {
    const { reports, problems } = parseFioJson(WHOLE.replace('"ctx" : 3', '"ctx" : "three"').replace('"majf" : 0,', ''));
    expect(reports[0]!.jobs[0]!.contextSwitches).toBe(0);
    expect(problems.map(({ code }) => code).sort()).toEqual(['FIELD_MISSING', 'FIELD_TYPE']);
    expect(problems.every(({ line }) => line === 10)).toBe(true);
  });

  it('a repeated option is told; the last one counts, as for fio', () => {
    const { reports, problems } = parseFioJson(WHOLE.replace('"rw" : "randrw"', '"rw" : "read",\n "rw" : "write"'));
    expect(reports[0]!.jobs[0]!.options['rw']).toBe('write');
    expect(problems).toMatchObject([{ code: 'DUPLICATE_KEY', severity: 'note' }]);
  });

  it('nesting has a limit', () => {
    const deep = `{ "fio version" : ${'{"a":'.repeat(100_000)}`;
    expect(parseFioJson(deep).problems.map(({ code }) => code)).toContain('TOO_DEEP');
  });
});

describe('any input', () => {
  const pieces = fc.array(
    fc.oneof(fc.constantFrom(...WHOLE.split(/(?<=[,{}\n])/)), fc.constantFrom('{', '}', '"', '[', '\n', '{"', '\\', '{ "fio version" : ', 'fio: pid=1, err=5/', 'nan', '1e999', ' '.repeat(50)), fc.string()),
    { maxLength: 80 },
  );

  it('is read without a crash, and all places are inside it', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        const { problems } = parseFioJson(text);
        for (const { line, column, offset } of problems) {
          expect(line).toBeGreaterThan(0);
          expect(column).toBeGreaterThan(0);
          expect(offset).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a report with characters changed at random', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(WHOLE.length - 1), fc.string({ maxLength: 3 })), { minLength: 1, maxLength: 8 }), (edits) => {
        let text = WHOLE;
        for (const [at, put] of edits) text = text.slice(0, at) + put + text.slice(at + 1);
        const { reports } = parseFioJson(text);
        for (const { jobs } of reports) for (const { name } of jobs) expect(typeof name).toBe('string');
      }),
      { numRuns: 300 },
    );
  });

  it('grows no worse than its length', () => {
    const started = performance.now();
    for (const unit of ['{', '{ "a" : [', '"', 'fio: pid=1, ', 'x: verify failed at file ', ' ', '\n', '{ "fio version" : "', ' at file offset 1, length 2']) parseFioJson(unit.repeat(200_000));
    // Quadratic would be hours.
    expect(performance.now() - started).toBeLessThan(25_000);
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
