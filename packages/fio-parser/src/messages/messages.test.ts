import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseFioJson } from '../json/report.js';
import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { explainExit } from './exit.js';
import { parseMessages } from './parse.js';

describe('messages', () => {
  it.each<[string, Record<string, unknown>]>([
    ['verify: bad magic header 0, wanted acca at file /a b offset 1, length 2 offset 20480, length 4096 (requested block: offset=16384, length=8192)', { kind: 'verify-header', field: 'magic', actual: 0n, wanted: 0xaccan, file: '/a b offset 1, length 2', offset: 20_480, length: 4096, request: { offset: 16_384, length: 8192 } }],
    ['verify: bad magic header f00, wanted acca at file f offset 0, length 512', { kind: 'verify-header', field: 'magic', actual: 0xf00n, length: 512 }],
    ['verify: unsupported header version 2, wanted 81. Are you trying to verify across versions of fio? at file f offset 0, length 4096 (requested block: offset=0, length=4096)', { kind: 'verify-header', field: 'version', actual: 2n, wanted: 0x81n }],
    ['verify: bad header rand_seed 18446744073709551615, wanted 1 at file f offset 0, length 4096 (requested block: offset=0, length=4096)', { kind: 'verify-header', field: 'seed', actual: 2n ** 64n - 1n, wanted: 1n }],
    ['verify: bad header numberio 3, wanted 4 at file f offset 0, length 4096 (requested block: offset=0, length=4096)', { kind: 'verify-header', field: 'numberio', actual: 3n, wanted: 4n }],
    ['verify: bad header crc 1e5994e1, calculated f3af4432 at file f offset 0, length 4096 (requested block: offset=0, length=4096)', { kind: 'verify-header', field: 'crc', actual: 0x1e59_94e1n, wanted: 0xf3af_4432n }],
    ['trim: verify failed at file f offset 8192, length 4096, block offset 17', { kind: 'verify-trim', offset: 8192, length: 4096, blockOffset: 17 }],
    ['md5: verify failed at file f offset 8192, length 4096', { kind: 'verify-data', check: 'md5', dumps: [] }],
    ['fio: io_u error on file /dev/full: No space left on device: write offset=0, buflen=4096', { kind: 'io-error', file: '/dev/full', error: 'No space left on device', direction: 'write', offset: 0, length: 4096 }],
    ['fio: pid=24711, err=28/file:io_u.c:1876, func=io_u error, error=No space left on device', { kind: 'job-error', pid: 24_711, errno: 28, source: 'io_u.c:1876', function: 'io_u error', error: 'No space left on device' }],
    ['fio: pid=7, got signal=9', { kind: 'job-error', pid: 7, signal: 9 }],
    ['fio: pid=7, err=5/file:x.c:1,', { kind: 'job-error', errno: 5 }],
    ['fio: terminating on signal 2', { kind: 'terminated', signal: 2 }],
    ['fio: verify state is corrupt', { kind: 'verify-state' }],
    ['Stop verify because seq 12 was an inflight write', { kind: 'verify-state' }],
    ['/opt/fio: unrecognized option \'--bogus=1\'', { kind: 'option' }],
    ['r: you need to specify size=', { kind: 'option' }],
    ['fio: something new', { kind: 'other', text: 'fio: something new' }],
  ])('%s', (text, parts) => {
    expect(parseMessages(`before\r\n${text}\r\nafter\n`)).toMatchObject([{ line: 2, lines: 1, ...parts }]);
  });

  it('a failed payload keeps the lines that belong to it', () => {
    const text = `fio: got pattern 'ffffff07', wanted 'de'. Bad bits 5
fio: bad pattern block offset 904
pattern: verify failed at file pf offset 4096, length 4096 (requested block: offset=4096, length=4096, flags=8)
       Expected CRC: 00ff
       Received CRC: 00fe
       received data dumped as pf.4096.received
       expected data dumped as pf.4096.expected
fio: verify type mismatch (61374 media, 18 given)
fio: pid=1, err=84/file:io_u.c:2152, func=io_u_sync_complete, error=Invalid or incomplete multibyte or wide character`;
    expect(parseMessages(text)).toMatchObject([
      {
        kind: 'verify-data',
        lines: 8,
        pattern: { got: 7, wanted: 0xde, badBits: 5, blockOffset: 904 },
        expectedHex: '00ff',
        receivedHex: '00fe',
        dumps: [{ what: 'received', path: 'pf.4096.received' }, { what: 'expected' }],
        typeMismatch: { media: 61_374, given: 18 },
      },
      { kind: 'job-error', line: 9, errno: 84 },
    ]);
  });

  it('of any text are found or not, in order and without overlap', () => {
    const words = fc.constantFrom('fio: ', 'verify: bad magic header ', 'acca', ', wanted ', ' at file ', ' offset ', '12', ', length ', '\n', 'crc32c: verify failed', "fio: got pattern '1', wanted '2'. Bad bits 3", '       Expected CRC: ab', 'fio: pid=1, err=2/', '(requested block: offset=1, length=2)');
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ maxLength: 5 })), { maxLength: 60 }), (parts) => {
        let next = 1;
        for (const { line, lines } of parseMessages(parts.join(''))) {
          expect(line).toBeGreaterThanOrEqual(next);
          next = line + lines;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe.skipIf(fioVersion === undefined)(`messages and exits of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  const job = (...more: string[]) => ['--name=one', '--filename=data', '--size=64k', '--bs=4k', '--ioengine=psync', '--verify=crc32c', '--output-format=json', ...more];
  beforeAll(async () => {
    directory = await workDirectory();
    expect((await runFio(directory.path, ...job('--rw=write', '--do_verify=0'))).code).toBe(0);
    const bytes = await readFile(join(directory.path, 'data'));
    bytes[9000]! ^= 1;
    await writeFile(join(directory.path, 'data'), bytes);
  });
  afterAll(() => directory.remove());

  it('a failed verification ends the job with status 1 and EILSEQ', async () => {
    const run = await runFio(directory.path, ...job('--rw=read', '--verify_fatal=1'));
    const { reports } = parseFioJson(run.stdout);
    // The failed check is on stderr, the end of the job on stdout, in front of the report.
    expect(parseMessages(run.stderr)).toMatchObject([{ kind: 'verify-data', check: 'crc32c', file: 'data', offset: 8192 }]);
    expect(parseFioJson(run.stdout).messages).toMatchObject([{ kind: 'job-error', errno: 84 }]);
    expect(explainExit(run, reports)).toMatchObject({ meaning: 'failed', explanation: expect.stringContaining('errno 84') as string });
  });

  it('a status of 0 with continue_on_error is no success', async () => {
    const run = await runFio(directory.path, ...job('--rw=read', '--continue_on_error=verify'));
    const { reports } = parseFioJson(run.stdout);
    expect(run.code).toBe(0);
    expect(reports[0]!.jobs[0]).toMatchObject({ error: 84, totalErrors: 1, firstError: 84 });
    expect(explainExit(run, reports).meaning).toBe('errors-tolerated');
    expect(explainExit(run).meaning).toBe('ok');
  });

  it('stdout and stderr through one pipe', async () => {
    const run = await runFio(directory.path, ...job('--rw=read', '--continue_on_error=verify', '--verify_dump=1'));
    const { reports, messages } = parseFioJson(run.stderr + run.stdout);
    expect(reports).toMatchObject([{ complete: true }]);
    expect(messages).toMatchObject([{ kind: 'verify-data', dumps: [{ what: 'received' }, { what: 'expected' }] }]);
  });

  it('a device that is full', async () => {
    const run = await runFio(directory.path, '--name=full', '--filename=/dev/full', '--size=4k', '--rw=write', '--ioengine=psync');
    expect(parseMessages(run.stderr + run.stdout)).toMatchObject([{ kind: 'io-error', file: '/dev/full', error: 'No space left on device' }, { kind: 'job-error', errno: 28 }]);
    expect(run.code).toBe(1);
  });

  it('options it does not take', async () => {
    await writeFile(join(directory.path, 'bad.fio'), '[a]\nbogus=1\nrw=read\nbs=zz\n');
    await writeFile(join(directory.path, 'outside.fio'), 'rw=read\n[a]\n');
    for (const [args, lines] of [[['--bogus=1'], 1], [['bad.fio'], 5], [['outside.fio'], 1], [['none.fio'], 1]] as const) {
      const run = await runFio(directory.path, ...args);
      const messages = parseMessages(run.stderr + run.stdout);
      expect(messages.map(({ kind }) => kind)).toEqual(messages.map(() => 'option'));
      expect(messages.length).toBeGreaterThanOrEqual(lines);
      expect(explainExit(run).meaning).toBe('failed');
    }
  });

  it('other exits', () => {
    expect(explainExit({ code: null, signal: 'SIGKILL' }).meaning).toBe('killed');
    expect(explainExit({ code: 128 }).meaning).toBe('interrupted');
    expect(explainExit({ code: 77 }).meaning).toBe('unknown');
  });
});
