import { copyFile, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseMessages } from '../messages/parse.js';
import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { drain } from '../testing/bytes.js';
import { isAtLeast } from '../version.js';
import { explainPatternBlock } from './explain.js';
import { parseVerifyHeader } from './header.js';
import { scanVerifyBlocks } from './scan.js';
import type { VerifyType } from './types.js';

const TYPES: VerifyType[] = ['md5', 'crc64', 'crc32', 'crc32c', 'crc32c-intel', 'crc16', 'crc7', 'sha1', 'sha256', 'sha512', 'sha3-224', 'sha3-256', 'sha3-384', 'sha3-512', 'xxhash', 'meta'];
const BLOCK = 4096;
const BLOCKS = 16;

describe.skipIf(fioVersion === undefined)(`verify headers of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  const at = (name: string) => join(directory.path, name);
  const newHeader = fioVersion !== undefined && isAtLeast(fioVersion, 3, 41);
  const job = (file: string, ...more: string[]) => ['--name=w', `--filename=${file}`, `--size=${BLOCKS * BLOCK}`, `--bs=${BLOCK}`, '--ioengine=psync', ...more];
  const write = async (file: string, ...more: string[]) => {
    const run = await runFio(directory.path, ...job(file, '--rw=write', '--do_verify=0', '--output-format=terse', ...more));
    expect(run.code, run.stderr).toBe(0);
  };
  /** fio reads the file back; its messages. */
  const readBack = async (file: string, ...more: string[]) => {
    const run = await runFio(directory.path, ...job(file, '--rw=read', '--continue_on_error=verify', '--output-format=terse', ...more));
    return parseMessages(run.stderr);
  };
  const scan = async (file: string, more: Partial<Parameters<typeof scanVerifyBlocks>[1]> = {}) => (await drain(scanVerifyBlocks(at(file), { intervalBytes: BLOCK, ...more }))).values;
  const damage = async (from: string, to: string, edit: (bytes: Buffer) => void) => {
    const bytes = await readFile(at(from));
    edit(bytes);
    await writeFile(at(to), bytes);
  };
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  for (const type of TYPES) {
    it(`verify=${type}: a whole file is good, one changed byte is found where it is`, async () => {
      const file = `whole.${type}`;
      await write(file, `--verify=${type}`);
      const reports = await scan(file);
      expect(reports).toHaveLength(BLOCKS);
      for (const [index, report] of reports.entries()) {
        expect(report, report.summary).toMatchObject({ verdict: 'good', header: { length: BLOCK, offset: index * BLOCK, thread: 1, numberio: BigInt(index), version: newHeader ? 0x81 : 'unversioned' } });
        // fio writes the number of crc32c for crc32c-intel, too.
        expect(report.header!.type).toBe(type === 'crc32c-intel' ? 'crc32c' : type);
        if (type !== 'meta') expect(report.checksum!.matches, type).toBe(true);
        expect(report.checksum?.weak !== undefined).toBe(type === 'sha512' && !newHeader);
      }
      // One bit in the middle of block 5.
      await damage(file, 'flipped', (bytes) => void (bytes[5 * BLOCK + 2000]! ^= 0x10));
      const bad = (await scan('flipped')).filter(({ verdict }) => verdict === 'bad');
      expect(bad).toMatchObject([{ offset: 5 * BLOCK, diff: { shape: 'bit-flip', wrongBytes: 1, wrongBits: 1, ranges: [{ from: 2000, to: 2001 }] } }]);
      // fio says the same, except where its own check is blind.
      const messages = await readBack('flipped', `--verify=${type}`);
      if (type === 'meta' || (type === 'sha512' && !newHeader)) expect(messages).toEqual([]);
      else {
        expect(messages).toMatchObject([{ kind: 'verify-data', offset: 5 * BLOCK, length: BLOCK, check: type.replace('-intel', '').slice(0, 8) }]);
        const [message] = messages;
        if (message?.kind !== 'verify-data') throw new Error('narrowing');
        expect(bad[0]!.checksum!.stored.toString('hex')).toBe(message.expectedHex);
        expect(bad[0]!.checksum!.calculated.toString('hex')).toBe(message.receivedHex);
      }
    });
  }

  it('every damage to a header is found and named as fio names it', async () => {
    await write('whole', '--verify=crc32c');
    await damage('whole', 'damaged', (bytes) => {
      bytes.writeUInt16LE(0, 1 * BLOCK);
      bytes.copy(bytes, 3 * BLOCK, 2 * BLOCK, 3 * BLOCK);
      bytes[5 * BLOCK + 8]! ^= 1;
      bytes[7 * BLOCK + 5]! ^= 1;
      bytes.fill(0, 9 * BLOCK, 10 * BLOCK);
    });
    const bad = (await scan('damaged')).filter(({ verdict }) => verdict === 'bad');
    expect(bad.map(({ offset, findings }) => [offset / BLOCK, findings[0]!.code])).toEqual([[1, 'NO_HEADER'], [3, 'MISPLACED'], [5, 'HEADER_CRC'], [7, 'HEADER_CRC'], [9, 'NO_HEADER']]);
    expect(bad[1]!.summary).toContain(`for offset ${2 * BLOCK}`);
    expect(bad[1]!.diff).toBeUndefined();
    expect(bad[3]!.findings.map(({ code }) => code)).toContain('LENGTH');
    expect(bad[4]!.summary).toContain('only zeroes');
    const messages = await readBack('damaged', '--verify=crc32c');
    expect(messages.map((message) => (message.kind === 'verify-header' ? [message.offset / BLOCK, message.field] : message.kind))).toEqual([[1, 'magic'], [3, 'offset'], [5, 'crc'], [7, 'length'], [9, 'magic']]);
    expect(messages[1]).toMatchObject({ actual: BigInt(2 * BLOCK), wanted: BigInt(3 * BLOCK) });
  });

  it('a stale block and a torn block are told from a good one', async () => {
    await write('old', '--verify=crc32c', '--randseed=1');
    await write('new', '--verify=crc32c', '--randseed=2');
    const old = await readFile(at('old'));
    await damage('new', 'mixed', (bytes) => {
      old.copy(bytes, 4 * BLOCK, 4 * BLOCK, 5 * BLOCK);
      // The new first half of a block over the old second half.
      old.copy(bytes, 6 * BLOCK + 2048, 6 * BLOCK + 2048, 7 * BLOCK);
      bytes.fill(0, 8 * BLOCK + 512, 8 * BLOCK + 1536);
    });
    const fresh = await scan('new');
    const seeds = new Map(fresh.map(({ offset, header }) => [offset, header!.seed]));
    const bad = (await scan('mixed', { expect: (offset) => ({ seed: seeds.get(offset)!, thread: 1, numberio: BigInt(offset / BLOCK), type: 'crc32c' }) })).filter(({ verdict }) => verdict === 'bad');
    expect(bad.map(({ offset }) => offset / BLOCK)).toEqual([4, 6, 8]);
    expect(bad[0]!.findings.map(({ code }) => code)).toEqual(['SEED']);
    expect(bad[1]!.diff).toMatchObject({ shape: 'torn', ranges: [{ from: 2048, to: BLOCK, content: 'fio-data' }] });
    expect(bad[2]!.diff).toMatchObject({ shape: 'sectors', ranges: [{ from: 512, to: 1536, content: 'zeroes' }] });
  });

  it('numbers of writes tell older from newer', async () => {
    await write('whole', '--verify=md5');
    const reports = await scan('whole', { expect: (offset) => ({ numberio: offset === 0 ? 9n : offset === BLOCK ? 0n : BigInt(offset / BLOCK) }) });
    expect(reports.slice(0, 3).map(({ findings }) => findings.map(({ code }) => code))).toEqual([['STALE'], [newHeader ? 'FUTURE' : 'STALE'], []]);
  });

  it('verify_interval and verify_offset', async () => {
    for (const [interval, offset] of [[1024, 0], [512, 256], [1024, 200], [4096, 1000]] as const) {
      const options = ['--verify=md5', `--verify_interval=${interval}`, ...(offset === 0 ? [] : [`--verify_offset=${offset}`])];
      await write('parts', ...options);
      const reports = await scan('parts', { intervalBytes: interval, verifyOffset: offset });
      expect(reports).toHaveLength((BLOCKS * BLOCK) / interval);
      expect(reports.filter(({ verdict }) => verdict !== 'good').map(({ summary }) => summary)).toEqual([]);
      await damage('parts', 'flipped', (bytes) => void (bytes[3 * interval + interval - 20]! ^= 4));
      const bad = (await scan('flipped', { intervalBytes: interval, verifyOffset: offset })).filter(({ verdict }) => verdict === 'bad');
      expect(bad).toMatchObject([{ offset: 3 * interval, diff: { shape: 'bit-flip', ranges: [{ from: interval - 20 }] } }]);
      expect((await readBack('flipped', ...options)).map((message) => ('offset' in message ? message.offset : undefined))).toEqual([3 * interval]);
    }
  });

  it('verify_pattern behind a header, and without one', async () => {
    const pattern = Buffer.from('deadbeef00', 'hex');
    await write('patterned', '--verify=crc32c', '--verify_pattern=0xdeadbeef00');
    expect((await scan('patterned', { pattern })).every(({ verdict }) => verdict === 'good')).toBe(true);
    await damage('patterned', 'flipped', (bytes) => void (bytes[BLOCK + 1000]! ^= 1));
    expect((await scan('flipped', { pattern })).filter(({ verdict }) => verdict === 'bad')).toMatchObject([{ offset: BLOCK, diff: { ranges: [{ from: 1000, to: 1001 }] } }]);
    await write('bare', '--verify=pattern', '--verify_pattern=0xdeadbeef00');
    const bytes = await readFile(at('bare'));
    expect(explainPatternBlock(bytes.subarray(0, BLOCK), pattern)).toBeUndefined();
    bytes[100]! ^= 0xff;
    await writeFile(at('bare'), bytes);
    expect(explainPatternBlock(bytes.subarray(0, BLOCK), pattern)).toMatchObject({ wrongBytes: 1, ranges: [{ from: 100, to: 101 }] });
    const messages = await readBack('bare', '--verify=pattern', '--verify_pattern=0xdeadbeef00');
    expect(messages).toMatchObject([{ kind: 'verify-data', check: 'pattern', offset: 0, pattern: { badBits: 8, blockOffset: 100 } }]);
  });

  it.skipIf(!newHeader)('pattern_hdr', async () => {
    await write('hdr', '--verify=pattern_hdr', '--verify_pattern=0xdeadbeef');
    const reports = await scan('hdr', { pattern: Buffer.from('deadbeef', 'hex') });
    expect(reports.every(({ verdict, header }) => verdict === 'good' && header?.type === 'pattern_hdr')).toBe(true);
  });

  it('several jobs: who wrote what', async () => {
    await runFio(directory.path, '--name=global', '--filename=shared', '--bs=4k', '--size=32k', '--rw=write', '--ioengine=psync', '--verify=xxhash', '--do_verify=0', '--name=first', '--name=second', '--offset=32k');
    expect((await scan('shared')).map(({ header }) => header!.thread)).toEqual([...Array<number>(8).fill(1), ...Array<number>(8).fill(2)]);
  });

  it('large blocks, odd lengths, and payloads that cannot be generated again', async () => {
    await write('large', '--bs=64k', '--verify=sha256');
    expect((await scan('large', { intervalBytes: 65_536 })).map(({ verdict }) => verdict)).toEqual(['good']);
    await write('odd', '--bs=1000', '--verify=crc64', '--size=32000');
    expect((await scan('odd', { intervalBytes: 1000 })).every(({ verdict }) => verdict === 'good')).toBe(true);
    await write('compressible', '--verify=crc16', '--buffer_compress_percentage=80');
    await damage('compressible', 'flipped', (bytes) => void (bytes[2 * BLOCK + 3000]! ^= 1));
    const reports = await scan('flipped');
    expect(reports.filter(({ verdict }) => verdict !== 'good').map(({ offset }) => offset)).toEqual([2 * BLOCK]);
    for (const percentage of [20, 50, 80]) {
      await write('unknown', '--verify=meta', `--buffer_compress_percentage=${percentage}`);
      for (const more of [{}, { payload: 'other' as const }]) expect((await scan('unknown', more)).map(({ verdict }) => verdict), `${percentage} %`).toEqual(Array(BLOCKS).fill('unknown'));
    }
  });

  it('a scan may be a part of the file, and needs a sane interval', async () => {
    await write('whole', '--verify=crc7');
    expect((await scan('whole', { from: 2 * BLOCK, to: 5 * BLOCK })).map(({ offset }) => offset / BLOCK)).toEqual([2, 3, 4]);
    const handle = await open(at('whole'));
    try {
      expect((await drain(scanVerifyBlocks(handle, { intervalBytes: BLOCK, from: 14 * BLOCK }))).values).toHaveLength(2);
    } finally {
      await handle.close();
    }
    await expect(scan('whole', { intervalBytes: 10 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await copyFile(at('whole'), at('copy'));
    expect(parseVerifyHeader(await readFile(at('copy')), BLOCK).numberio).toBe(1n);
  });
});
