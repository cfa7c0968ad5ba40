import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FioParseError } from '../errors.js';
import { parseFioJson } from '../json/report.js';
import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { parseJobFile } from './parse.js';
import { environmentNames, expandEnvironment, keywords, resolveJobs } from './resolve.js';
import type { JobLine } from './types.js';
import { parseFileList, parseFlag, parseSize, parseTimeUs } from './values.js';
import { jobFile, writeJobFile } from './write.js';

const SAMPLE = `; a comment
# another one
[global]
rw =randrw
  size=128m \t
include common.fio
filename=\${DEV} # a comment ; too
\r
[job one]
bs=4k,8k\r
time_based
[global]
iodepth=8
[two]
rw=read`;

describe('a job file', () => {
  it('becomes lines', () => {
    const { file, problems } = parseJobFile(SAMPLE);
    expect(problems).toEqual([]);
    expect(file.lines.map((line) => line.kind)).toEqual(['comment', 'comment', 'section', 'option', 'option', 'include', 'option', 'blank', 'section', 'option', 'option', 'section', 'option', 'section', 'option']);
    expect(file.lines[3]).toEqual({ kind: 'option', name: 'rw', value: 'randrw', separator: ' =', indent: '', trailing: '', end: '\n' });
    expect(file.lines[4]).toMatchObject({ name: 'size', value: '128m', indent: '  ', trailing: ' \t' });
    expect(file.lines[6]).toMatchObject({ value: '${DEV}', trailing: ' ', comment: '# a comment ; too' });
    expect(file.lines[10]).toEqual({ kind: 'option', name: 'time_based', indent: '', trailing: '', end: '\n' });
    expect(file.lines[14]).toMatchObject({ end: '' });
  });

  it('of any text is written back byte for byte', () => {
    const parts = fc.constantFrom('[global]', '[a]', '\n', '\r\n', 'rw=read', ' ', '\t', ';', '#', '=', 'include x', 'include', '[', ']', '${X}', '\r', '\u00a0', 'a = b');
    fc.assert(
      fc.property(fc.array(fc.oneof(parts, fc.string({ maxLength: 6 })), { maxLength: 60 }), (pieces) => {
        const text = pieces.join('');
        const { file, problems } = parseJobFile(text);
        for (const { line } of problems) expect(line).toBeLessThanOrEqual(text.split('\n').length);
        let written: string;
        try {
          written = writeJobFile(file);
        } catch (error) {
          // Refused only when fio would refuse the text as well.
          expect(error).toBeInstanceOf(FioParseError);
          expect(problems.some(({ severity }) => severity === 'error')).toBe(true);
          return;
        }
        expect(written).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it('made from data is read back as that data', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_$ {}./:,-]{1,12}$/).map((text) => text.trim()).filter((text) => text !== '');
    const name = fc.stringMatching(/^[a-z_]{1,10}$/).filter((text) => !text.startsWith('include'));
    const blank = fc.constantFrom('', ' ', '\t  ');
    const layout = { indent: blank, trailing: blank };
    const comment = fc.constantFrom('', '# why', ';');
    const line: fc.Arbitrary<JobLine> = fc.oneof(
      fc.record({ kind: fc.constant('section' as const), name: word, comment, ...layout }),
      fc.record({ kind: fc.constant('option' as const), name, value: word, separator: fc.constantFrom('=', ' =', '\t ='), comment, ...layout }),
      fc.record({ kind: fc.constant('option' as const), name, ...layout }),
      fc.record({ kind: fc.constant('include' as const), path: word, separator: fc.constantFrom(' ', '\t '), comment, ...layout }),
      fc.record({ kind: fc.constant('comment' as const), text: word.map((text) => `;${text}`), ...layout }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const back = parseJobFile(writeJobFile({ lines })).file.lines;
        expect(back).toEqual(lines.map(({ comment: behind, ...one }) => ({ ...one, ...(behind === undefined || behind === '' ? {} : { comment: behind }), end: '\n' })));
      }),
    );
  });

  it('built from plain data', () => {
    const file = jobFile([{ name: 'global', options: { rw: 'randwrite', direct: true, iodepth: 4 } }, { name: 'one', options: { filename: ['/dev/a:b', '/dev/c'], stonewall: false } }]);
    expect(writeJobFile(file)).toBe('[global]\nrw=randwrite\ndirect=1\niodepth=4\n\n[one]\nfilename=/dev/a\\:b:/dev/c\nstonewall=0\n');
    expect(parseFileList('/dev/a\\:b:/dev/c')).toEqual(['/dev/a:b', '/dev/c']);
  });

  it.each<[string, JobLine]>([
    ['a newline in a value', { kind: 'option', name: 'a', value: 'b\nc' }],
    ['a blank at its end', { kind: 'option', name: 'a', value: 'b ' }],
    ['no name', { kind: 'option', name: '', value: 'b' }],
    ['a name that is a comment', { kind: 'option', name: ';a', value: 'b' }],
    ['text as indent', { kind: 'option', name: 'a', value: 'b', indent: 'x' }],
    ['a comment without its sign', { kind: 'comment', text: 'x' }],
    ['a comment sign in a value', { kind: 'option', name: 'a', value: 'b#c' }],
    ['no end in the middle', { kind: 'option', name: 'a', value: 'b', end: '' }],
    ['a section without a name', { kind: 'section', name: '' }],
    ['an include without a path', { kind: 'include', path: '' }],
    ['another separator', { kind: 'option', name: 'a', value: 'b', separator: ':' }],
  ])('cannot be written with %s', (_what, line) => {
    expect(() => writeJobFile({ lines: [line, { kind: 'blank' }] })).toThrow(FioParseError);
  });

  it('that fio would refuse says where', () => {
    const { problems } = parseJobFile('rw=read\n[a\n=x\n[globals]\nincludes=1\n[]\nbs = 4k\n');
    expect(problems.map(({ code, line, severity }) => [code, line, severity])).toEqual([
      ['OUTSIDE_SECTION', 1, 'error'],
      ['OUTSIDE_SECTION', 2, 'error'],
      ['SECTION_NAME', 2, 'error'],
      ['OUTSIDE_SECTION', 3, 'error'],
      ['SYNTAX', 3, 'error'],
      ['SECTION_NAME', 4, 'warning'],
      ['INCLUDE', 5, 'error'],
      ['SECTION_NAME', 6, 'error'],
      ['SYNTAX', 7, 'warning'],
    ]);
  });
});

describe('jobs', () => {
  it('inherit from the global sections above them', () => {
    const jobs = resolveJobs(parseJobFile(SAMPLE).file, (path) => (path === 'common.fio' ? 'direct=1\ninclude deeper.fio\n' : 'rw=write\n'));
    expect(jobs.map(({ name, options }) => [name, Object.fromEntries(options)])).toEqual([
      ['job one', { size: '128m', direct: '1', rw: 'write', filename: '${DEV}', bs: '4k,8k', time_based: undefined }],
      ['two', { size: '128m', direct: '1', filename: '${DEV}', iodepth: '8', rw: 'read' }],
    ]);
  });

  it('includes that cannot be followed', () => {
    const file = parseJobFile('[a]\ninclude x\n').file;
    for (const reader of [undefined, () => '[b]\n', () => 'include x\n']) expect(() => resolveJobs(file, reader)).toThrow(FioParseError);
  });

  it('values refer to the environment and to keywords', () => {
    const value = '${DIR}/x:${NONE}$pagesize*$ncpus';
    expect(environmentNames(value)).toEqual(['DIR', 'NONE']);
    expect(expandEnvironment(value, { DIR: '/tmp' })).toBe('/tmp/x:$pagesize*$ncpus');
    expect(keywords(value)).toEqual(['$pagesize', '$ncpus']);
    expect([parseFlag(undefined), parseFlag('0'), parseFlag('1'), parseFlag('${X}')]).toEqual([true, false, true, undefined]);
  });
});

/** Sizes and what they mean with kb_base 1024 and 1000. */
const SIZES: [string, number, number][] = [['4096', 4096, 4096], ['1k', 1024, 1000], ['1K', 1024, 1000], ['1ki', 1024, 1000], ['1kb', 1024, 1000], ['1kib', 1000, 1024], ['4mb', 4_194_304, 4_000_000], ['4MiB', 4_000_000, 4_194_304], ['10b', 10, 10], ['0x100', 256, 256]];
const TIMES: [string, number, number][] = [['3', 3, 3_000_000], ['500ms', 500_000, 500_000], ['2m', 120_000_000, 120_000_000], ['7us', 7, 7], ['1h', 3_600_000_000, 3_600_000_000], ['9msec', 9000, 9000]];

describe('values', () => {
  it.each(SIZES)('size %s', (text, binary, decimal) => expect([parseSize(text), parseSize(text, 1000)]).toEqual([binary, decimal]));
  it.each(TIMES)('time %s', (text, us, s) => expect([parseTimeUs(text, 'us'), parseTimeUs(text)]).toEqual([us, s]));
  it.each(['50%', '${X}', '1.5k', '', 'k', '4k-8k', '99999999999999999'])('%s is no size', (text) => expect(parseSize(text)).toBeUndefined());
  it.each(['1.5', 'x', '', '1w'])('%s is no time', (text) => expect(parseTimeUs(text)).toBeUndefined());
});

describe.skipIf(fioVersion === undefined)(`job files and the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  it('fio resolves inheritance, includes and comments as we do', async () => {
    const text = '; c\n# c\n[global]\n rw =read\nioengine=null\nsize=1m\n[one]\n\tbs=4k \ninclude more.fio\n[global]\nbs=8k\n\n[two]\nsize=${SIZE};x\n[three] # odd\nsize=8k #\n';
    await writeFile(join(directory.path, 'more.fio'), 'size=2m\n; c\ninclude deep.fio\n');
    await writeFile(join(directory.path, 'deep.fio'), 'number_ios=10\n');
    await writeFile(join(directory.path, 'job.fio'), text);
    process.env['SIZE'] = '512k';
    const run = await runFio(directory.path, 'job.fio', '--output-format=json');
    delete process.env['SIZE'];
    expect(run.code, run.stderr).toBe(0);
    const { file, problems } = parseJobFile(text);
    expect(problems).toEqual([]);
    const sources: Record<string, string> = { 'more.fio': await readFile(join(directory.path, 'more.fio'), 'utf8'), 'deep.fio': 'number_ios=10\n' };
    const ours = resolveJobs(file, (path) => sources[path]!);
    const report = parseFioJson(run.stdout).reports[0]!;
    expect(report.jobs.map(({ name }) => name)).toEqual(ours.map(({ name }) => name));
    for (const [index, job] of report.jobs.entries()) {
      const options = ours[index]!.options;
      const size = parseSize(expandEnvironment(options.get('size')!, { SIZE: '512k' }))!;
      const blocks = size / parseSize(options.get('bs')!)!;
      expect(job.read!.totalIos).toBe(Math.min(blocks, Number(options.get('number_ios') ?? blocks)));
    }
  });

  it('fio runs what was built', async () => {
    await writeFile(join(directory.path, 'built.fio'), writeJobFile(jobFile([{ name: 'global', options: { ioengine: 'null', size: '64k', rw: 'write' } }, { name: 'a b', options: { bs: 4096, group_reporting: true } }])));
    const run = await runFio(directory.path, 'built.fio', '--output-format=json');
    expect(parseFioJson(run.stdout).reports[0]!.jobs).toMatchObject([{ name: 'a b', write: { totalIos: 16 } }]);
  });

  it('sizes and times mean to fio what they mean to us', async () => {
    for (const [base, column] of [[1024, 1], [1000, 2]] as const) {
      for (const size of SIZES.filter(([, ...bytes]) => bytes[column - 1]! <= 65_536)) {
        await writeFile(join(directory.path, 'size.fio'), `[global]\nkb_base=${base}\n[a]\nioengine=null\nrw=read\nbs=1\nsize=${size[0]}\n`);
        const run = await runFio(directory.path, 'size.fio', '--output-format=json');
        expect(parseFioJson(run.stdout).reports[0]!.jobs[0]!.read!.ioBytes, `${size[0]} ${base}`).toBe(size[column]);
      }
    }
    // Blanks behind "=" and fractions are traps.
    await writeFile(join(directory.path, 'trap.fio'), '[a]\nioengine=null\nrw=read\nsize=64k\nbs = 4k\n');
    expect(parseFioJson((await runFio(directory.path, 'trap.fio', '--output-format=json')).stdout).reports[0]!.jobs[0]!.read!.totalIos).toBe(16_384);
    for (const [text, us, seconds] of TIMES) {
      await writeFile(join(directory.path, 'time.fio'), `[a]\nioengine=null\nrw=read\nbs=1\nsize=1\nthinktime=${text}\nruntime=${text}\n`);
      const run = await runFio(directory.path, 'time.fio', '--debug=parse', '--parse-only');
      const out = (option: string) => Number(new RegExp(`__handle_option=${option},.*\\n.*out=(\\d+)`).exec(run.stdout)?.[1]);
      expect([out('thinktime'), out('runtime')], text).toEqual([us, seconds]);
    }
  });
});
