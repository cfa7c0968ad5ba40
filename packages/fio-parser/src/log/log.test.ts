import { deflateSync, gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FioParseError } from '../errors.js';
import { drain, inChunks } from '../testing/bytes.js';
import { parseFioVersion } from '../version.js';
import { readHistogramLog } from './histogram-log.js';
import { parseLogName } from './name.js';
import { readLog, readLogBatches } from './read.js';
import type { LogColumn } from './types.js';

const read = (text: string | Uint8Array, options = {}, ...sizes: number[]) => drain(readLog(inChunks(Buffer.from(text), ...sizes), options));

describe('columns', () => {
  it.each<[string, string, Record<string, unknown>]>([
    ['before 3.17', '5, 1000, 0, 4096\n6, 1001, 1, 4096\n', { blockSize: 4096 }],
    ['default', '5, 1000, 0, 4096, 0\n6, 1001, 1, 4096, 1\n', { highPriority: false }],
    ['log_offset', '5, 1000, 0, 4096, 8192, 0\n6, 1001, 1, 4096, 0, 1\n', { offset: 8192, highPriority: false }],
    ['log_prio', '5, 1000, 0, 4096, 0x2003\n6, 1001, 1, 4096, 0x0000\n', { priority: { priorityClass: 1, level: 3, hint: 0 } }],
    ['log_offset, log_prio', '5, 1000, 0, 4096, 8192, 0x4007\n', { offset: 8192, priority: { priorityClass: 2, level: 7, hint: 0 } }],
    ['log_offset, log_issue_time', '5, 1000, 0, 4096, 8192, 0, 4123456\n', { offset: 8192, issueTimeNs: 4_123_456 }],
    ['log_window_value=both', '5, 1000, 1500, 0, 0, 0\n6, 1001, 1001, 1, 0, 0\n', { max: 1500 }],
    ['all', '5, 1000, 1500, 0, 0, 0, 0x0000, 0\n', { max: 1500, offset: 0, issueTimeNs: 0 }],
  ])('%s', async (_name, text, part) => {
    const { values, result } = await read(text);
    expect(values[0]).toMatchObject({ timeMs: 5, value: 1000, direction: 'read', ...part });
    expect(result.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(result.records).toBe(values.length);
  });

  it('that several arrangements fit are told, and a version settles it', async () => {
    // Windowed: block size 0, so the fifth column may be an offset of fio 3.16 or a priority.
    const text = '100, 27561, 1, 0, 0\n200, 27000, 0, 0, 0\n';
    const open = await read(text);
    expect(open.result).toMatchObject({ columns: ['time', 'value', 'direction', 'blockSize', 'priority'], alternatives: [['time', 'value', 'direction', 'blockSize', 'offset']], problems: [{ code: 'LAYOUT_AMBIGUOUS', severity: 'note' }] });
    for (const [version, column] of [['3.16', 'offset'], ['3.17', 'priority']] as const) {
      const { result } = await read(text, { version: parseFioVersion(version) });
      expect(result).toMatchObject({ alternatives: [], problems: [] });
      expect(result.columns.at(-1)).toBe(column);
    }
  });

  it('may be given', async () => {
    const columns: LogColumn[] = ['time', 'value', 'direction', 'blockSize', 'offset'];
    expect((await read('1, 2, 0, 0, 1\n', { columns })).values).toEqual([{ timeMs: 1, value: 2, direction: 'read', blockSize: 0, offset: 1 }]);
    await expect(read('', { columns: ['value', 'time', 'direction', 'blockSize'] })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(read('', { columns: ['time', 'value'] })).rejects.toBeInstanceOf(FioParseError);
  });
});

describe('damage', () => {
  it('costs only its line, and is told with line and offset', async () => {
    const heard: unknown[] = [];
    const { values, result } = await read('1, 10, 0, 512, 0\nnot a line\n2, 11, 9, 512, 0\n\n3, 12, 1, 512, 0\n4, 13, 1, 51', { onProblem: (problem: unknown) => heard.push(problem) });
    expect(values.map(({ timeMs }) => timeMs)).toEqual([1, 3]);
    expect(result.problems).toMatchObject([
      { code: 'SYNTAX', line: 2, offset: 17, text: 'not a line' },
      { code: 'SYNTAX', line: 3, offset: 28 },
      { code: 'TRUNCATED', line: 6 },
    ]);
    expect(heard).toEqual(result.problems);
    expect(result).toMatchObject({ lines: 6, records: 2 });
  });

  it('an endless line takes no memory and is told once', async () => {
    async function* endless() {
      yield Buffer.from('1, 10, 0, 512, 0\n');
      for (let count = 0; count < 400; count += 1) yield Buffer.alloc(65_536, 'x');
      yield Buffer.from('\n2, 11, 0, 512, 0\n');
    }
    const { values, result } = await drain(readLog(endless()));
    expect(values).toHaveLength(2);
    expect(result.problems).toMatchObject([{ code: 'LINE_TOO_LONG', line: 2 }]);
  });

  it('in a compressed log ends it there, with what came before', async () => {
    const text = Array.from({ length: 5000 }, (_, index) => `${index}, ${(index * 7919) % 100_003}, 0, 512, 0\n`).join('');
    for (const packed of [gzipSync(text), gzipSync(text)].map((whole, index) => (index === 0 ? whole.subarray(0, whole.length - 2000) : Buffer.concat([whole, Buffer.from('garbage')])))) {
      const { values, result } = await read(packed, {}, 100);
      expect(values.length).toBeGreaterThan(1000);
      expect(result.compression).toBe('gzip');
      expect(result.problems.map(({ code }) => code)).toContain('COMPRESSION');
    }
  });

  it('nothing at all is an empty log', async () => {
    expect((await read('')).result).toEqual({ records: 0, lines: 0, columns: [], alternatives: [], compression: 'none', problems: [] });
  });
});

describe('chunks', () => {
  const text = Array.from({ length: 300 }, (_, index) => `${index}, ${index * 1000}, ${index % 3}, 4096, ${index * 4096}, 0\n`).join('');

  it('may end anywhere, packed or not', async () => {
    const whole = (await read(text)).values;
    expect(whole).toHaveLength(300);
    const forms = [Buffer.from(text), gzipSync(text), Buffer.concat([gzipSync(text.slice(0, 3001)), gzipSync(text.slice(3001))])];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...forms), fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }), async (bytes, sizes) => {
        expect((await read(bytes, {}, ...sizes)).values).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('a reader that stops early closes the source', async () => {
    let closed = false;
    async function* source() {
      try {
        for (;;) yield Buffer.from(text);
      } finally {
        closed = true;
      }
    }
    for await (const batch of readLogBatches(source())) if (batch.length > 0) break;
    expect(closed).toBe(true);
  });

  it('of any bytes are survived', async () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.constantFrom('1', ', ', '\n', '0x0000', '4096', '-', ',', '99999999999999999999999'), { maxLength: 80 }).map((parts) => Buffer.from(parts.join(''))),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => gzipSync(bytes).subarray(0, 150)),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => deflateSync(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(junk, fc.integer({ min: 1, max: 64 }), async (bytes, size) => {
        await read(bytes, {}, size);
        await drain(readHistogramLog(inChunks(bytes, size)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('names', () => {
  it.each([
    ['/x/run_clat.1.log', { prefix: 'run', kind: 'clat', job: 1 }],
    ['a_b_bw.log', { prefix: 'a_b', kind: 'bandwidth' }],
    ['a_iops.12.log.gz', { prefix: 'a', kind: 'iops', job: 12 }],
    ['a_lat.2.log.fz', { prefix: 'a', kind: 'lat', job: 2 }],
    ['a_clat_hist.1.log', { prefix: 'a', kind: 'histogram', job: 1 }],
  ])('%s', (path, parts) => expect(parseLogName(path)).toEqual(parts));
  it.each(['clat.log', 'a_clat.1.txt', 'a_foo.1.log', ''])('%s is none', (path) => expect(parseLogName(path)).toBeUndefined());
});
