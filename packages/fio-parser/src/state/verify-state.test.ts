import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FioParseError } from '../errors.js';
import { fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { crc32c } from '../verify/crc.js';
import { isAtLeast } from '../version.js';
import { parseVerifyState, verifyStateName, wasCompleted, type VerifyStateV5 } from './verify-state.js';

/** A state file around `body`. */
function stateFile(version: number, body: Buffer): Buffer {
  const header = Buffer.alloc(24);
  header.writeBigUInt64LE(BigInt(version), 0);
  header.writeBigUInt64LE(BigInt(body.length), 8);
  header.writeBigUInt64LE(BigInt(crc32c(body)), 16);
  return Buffer.concat([header, body]);
}

/** Version 5, two slots, one write in flight. */
function version5(): Buffer {
  const body = Buffer.alloc(24 + 56 + 64 + 16);
  body.writeUInt32LE(2, 0);
  body.writeBigUInt64LE(17n, 8);
  body.writeBigUInt64LE(3n, 16);
  body.writeBigUInt64LE(1n, 24);
  for (let word = 0; word < 6; word += 1) body.writeBigUInt64LE(BigInt(word + 1) << 40n, 32 + word * 8);
  body.write('job/name', 80);
  body.writeBigUInt64LE(15n, 144);
  body.writeBigUInt64LE(2n ** 64n - 1n, 152);
  return stateFile(5, body);
}

function codeOf(bytes: Uint8Array): string {
  try {
    parseVerifyState(bytes);
    return 'none';
  } catch (error) {
    if (error instanceof FioParseError) return error.code;
    throw error;
  }
}

describe('a verify state', () => {
  it('of version 5 lists the writes in flight', () => {
    const state = parseVerifyState(version5()) as VerifyStateV5;
    expect(state).toEqual({ version: 5, depth: 2, numberio: 17n, index: 3, jobName: 'job/name', inFlight: [15n], random: { wide: true, words: [1n, 2n, 3n, 4n, 5n, 6n].map((word) => word << 40n) } });
    expect([14n, 15n, 16n, 17n].map((numberio) => wasCompleted(state, numberio))).toEqual([true, false, true, false]);
    expect(verifyStateName(state.jobName, state.index)).toBe('local-job.name-3-verify.state');
  });

  it('with any byte changed is refused', () => {
    const whole = version5();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= flip;
        expect(['BAD_CRC', 'UNSUPPORTED_VERSION', 'BAD_LENGTH', 'TRUNCATED']).toContain(codeOf(bytes));
      }),
    );
  });

  it('that is cut off, of an unknown version, or contradicts itself', () => {
    const whole = version5();
    for (let length = 0; length < whole.length; length += 1) expect(codeOf(whole.subarray(0, length))).toBe('TRUNCATED');
    expect(codeOf(stateFile(4, Buffer.alloc(160)))).toBe('UNSUPPORTED_VERSION');
    expect(codeOf(stateFile(5, Buffer.alloc(159)))).toBe('BAD_LENGTH');
    expect(codeOf(stateFile(3, Buffer.alloc(10)))).toBe('BAD_LENGTH');
    const huge = Buffer.alloc(24 + 160);
    huge.writeBigUInt64LE(5n, 0);
    huge.writeBigUInt64LE(2n ** 63n, 8);
    expect(codeOf(huge)).toBe('BAD_LENGTH');
  });

  it('of any bytes never fails otherwise', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void codeOf(bytes)));
    fc.assert(fc.property(fc.constantFrom(3, 5), fc.uint8Array({ maxLength: 400 }), (version, body) => void codeOf(stateFile(version, Buffer.from(body)))));
  });
});

describe.skipIf(fioVersion === undefined)(`verify state of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  for (const [wide, generator] of [[false, 'tausworthe'], [true, 'tausworthe64']] as const) {
    for (const depth of [1, 4]) {
      it(`${generator}, depth ${depth}: names the job, its writes and the generator`, async () => {
        const name = `one/${generator}.${depth}`;
        const run = await runFio(directory.path, `--name=${name}`, `--filename=data${depth}`, '--size=256k', '--bs=4k', '--rw=randwrite', '--ioengine=libaio', `--iodepth=${depth}`, `--random_generator=${generator}`, '--verify=crc32c', '--do_verify=0', '--verify_state_save=1');
        expect(run.code, run.stderr).toBe(0);
        const state = parseVerifyState(await readFile(join(directory.path, verifyStateName(name, 0))));
        expect(state).toMatchObject({ jobName: name, index: 0, depth, numberio: 64n, random: { wide } });
        expect(state.random.words.some((word) => word !== 0n)).toBe(true);
        if (state.version === 3) {
          // The last writes: whole blocks of the file, all different.
          expect(state.completed).toHaveLength(depth);
          expect(new Set(state.completed.map(({ offset }) => offset)).size).toBe(depth);
          expect(state.completed.every(({ file, offset }) => file === 0 && offset % 4096 === 0 && offset < 262_144)).toBe(true);
        } else {
          expect(state.inFlight).toEqual([]);
          expect(wasCompleted(state, 63n)).toBe(true);
        }
      });
    }
  }

  it('of a job that is stopped in the middle says where', async () => {
    const run = await runFio(directory.path, '--name=stopped', '--filename=data', '--size=64m', '--bs=4k', '--rw=randwrite', '--ioengine=libaio', '--iodepth=8', '--rate_iops=500', '--verify=crc32c', '--do_verify=0', '--verify_state_save=1', '--time_based', '--runtime=2', '--trigger-timeout=1', '--trigger=true', '--output-format=json');
    const state = parseVerifyState(await readFile(join(directory.path, verifyStateName('stopped', 0))));
    expect(run.stdout).toContain('fio version');
    expect(state.jobName).toBe('stopped');
    expect(state.numberio).toBeGreaterThan(0n);
    expect(state.numberio).toBeLessThan(16_384n);
    if (isAtLeast(fioVersion!, 3, 41)) expect(state.version).toBe(5);
  });
});
