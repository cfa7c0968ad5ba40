import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlignedPool } from './aligned-pool.js';
import { KernelBlockDevice } from './block-device.js';
import type { BlockCalls, KernelBlockDeviceOptions } from './block-device.js';
import { hasDirectIo } from './testing/direct.js';

const blockSize = 4096;
let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-block-'));
  path = join(dir, 'nvme0n1');
  writeFileSync(path, Buffer.alloc(16 * blockSize));
});
afterEach(() => rmSync(dir, { recursive: true }));

const direct = hasDirectIo();

const open = (change: Partial<KernelBlockDeviceOptions> = {}): KernelBlockDevice => KernelBlockDevice.open({
  path, uuid: 'uuid-1', nsid: 1, blockSize, blocks: 16, transferMaxBytes: 1_048_576, pool: new AlignedPool(4, 65_536), direct, ...change,
});

/** Calls that end when the test says so. */
class HeldCalls implements BlockCalls {
  readonly held: { what: string; position: number; end: (error: string | null, bytes: number) => void }[] = [];
  read: BlockCalls['read'] = (_fd, _buffer, _length, position, done) => this.#hold('read', position, done);
  write: BlockCalls['write'] = (_fd, _buffer, _length, position, done) => this.#hold('write', position, done);
  sync: BlockCalls['sync'] = (_fd, done) => this.#hold('sync', 0, (error) => done(error));
  #hold(what: string, position: number, done: (error: NodeJS.ErrnoException | null, bytes: number) => void): void {
    this.held.push({ what, position, end: (code, bytes) => done(code === null ? null : Object.assign(new Error(code), { code }), bytes) });
  }
}

describe('KernelBlockDevice', () => {
  it('reads what it wrote, at the right place', async () => {
    const device = open();
    const data = Buffer.alloc(2 * blockSize, 0x5a);
    expect(await device.write(3, data)).toEqual({ outcome: 'ok', status: 0, dnr: false, code: '', path: null, sends: 1 });
    const back = await device.read(3, 2);
    expect(back).toMatchObject({ outcome: 'ok', path: null, sends: 1 });
    expect(back.data!.equals(data)).toBe(true);
    expect((await device.flush()).outcome).toBe('ok');
    device.close();
    const file = readFileSync(path);
    expect(file.subarray(3 * blockSize, 5 * blockSize).equals(data)).toBe(true);
    expect(file.subarray(0, 3 * blockSize).some((byte) => byte !== 0)).toBe(false);
  });

  it.skipIf(!direct)('has memory that O_DIRECT takes', () => {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DIRECT);
    const pool = new AlignedPool(3, 4096);
    for (const slot of [pool.tryTake()!, pool.tryTake()!, pool.tryTake()!]) expect(fs.readSync(fd, slot.buffer, 0, 4096, 0)).toBe(4096);
    fs.closeSync(fd);
  });

  it('keeps the data of each of many operations at once', async () => {
    const device = open();
    await Promise.all(Array.from({ length: 16 }, (_, lba) => device.write(lba, Buffer.alloc(blockSize, lba + 1))));
    const back = await Promise.all(Array.from({ length: 16 }, (_, lba) => device.read(lba, 1)));
    for (const [lba, { data }] of back.entries()) expect(data!.every((byte) => byte === lba + 1)).toBe(true);
    device.close();
  });

  it('takes no more at once than a request of the kernel or a buffer holds', () => {
    const device = open({ transferMaxBytes: 32_768 });
    expect(device.transferMaxBytes).toBe(32_768);
    device.close();
    const other = open();
    expect(other.transferMaxBytes).toBe(65_536);
    other.close();
  });

  // A command that the kernel gave up may still be executed; one that a target refused may not.
  it.each<[string, 'read' | 'write', 'fail' | 'info', number]>([
    ['EIO', 'read', 'fail', 1], ['EIO', 'write', 'info', 1], ['ENOLINK', 'write', 'info', 1], ['ENODEV', 'write', 'info', 1], ['EREMOTEIO', 'write', 'fail', 1],
    ['ENOSPC', 'write', 'fail', 1], ['EBADF', 'write', 'fail', 0], ['ENOLINK', 'read', 'fail', 1],
  ])('ends with %s: a %s is %s', async (code, what, outcome, sends) => {
    const calls = new HeldCalls();
    const device = open({ calls });
    const ended = what === 'read' ? device.read(0, 1) : device.write(0, Buffer.alloc(blockSize));
    await Promise.resolve();
    calls.held[0]!.end(code, 0);
    expect(await ended).toEqual({ outcome, status: 0, dnr: false, code, path: null, sends });
    device.close();
  });

  it('does not take a part for the whole', async () => {
    const calls = new HeldCalls();
    const device = open({ calls });
    const ended = Promise.all([device.read(0, 2), device.write(0, Buffer.alloc(2 * blockSize))]);
    await Promise.resolve();
    for (const { end } of calls.held) end(null, blockSize);
    expect(await ended).toMatchObject([{ outcome: 'fail', code: 'SHORT_READ' }, { outcome: 'info', code: 'SHORT_WRITE' }]);
    device.close();
  });

  it('ends the wait at an abort, but not the operation, and keeps its buffer until the kernel has ended it', async () => {
    const calls = new HeldCalls();
    const pool = new AlignedPool(1, 4096);
    const device = open({ calls, pool });
    const abort = new AbortController();
    const hung = device.write(0, Buffer.alloc(blockSize), { signal: abort.signal });
    const waiting = device.write(1, Buffer.alloc(blockSize), { signal: abort.signal });
    const later = device.write(2, Buffer.alloc(blockSize));
    await Promise.resolve();
    abort.abort();
    expect(await hung).toMatchObject({ outcome: 'info', code: 'ABORTED', sends: 1 });
    expect(await waiting).toMatchObject({ outcome: 'fail', code: 'ABORTED', sends: 0 });
    expect([device.outstanding, pool.free, calls.held.length]).toEqual([1, 0, 1]);
    calls.held[0]!.end(null, blockSize);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.held.map(({ position }) => position)).toEqual([0, 2 * blockSize]);
    calls.held[1]!.end(null, blockSize);
    expect(await later).toMatchObject({ outcome: 'ok' });
    expect([device.outstanding, pool.free]).toEqual([0, 1]);
    device.close();
  });

  it('submits nothing that cannot be right', async () => {
    const calls = new HeldCalls();
    const device = open({ calls });
    const aborted = AbortSignal.abort();
    const refused = await Promise.all([
      device.read(16, 1), device.read(-1, 1), device.read(0, 0), device.write(0, Buffer.alloc(100)), device.write(0, Buffer.alloc(0)), device.read(0, 17),
      device.read(0, 1, { controller: 'gw1' }), device.read(0, 1, { signal: aborted }), device.flush({ signal: aborted }),
    ]);
    expect(refused.map(({ outcome, code, sends }) => `${outcome} ${code} ${sends}`)).toEqual([
      ...Array<string>(6).fill('fail OUT_OF_RANGE 0'), 'fail PATH_NOT_SELECTABLE 0', 'fail ABORTED 0', 'fail ABORTED 0',
    ]);
    device.close();
    expect(await device.read(0, 1)).toMatchObject({ code: 'DEVICE_CLOSED', sends: 0 });
    expect(calls.held).toEqual([]);
  });

  it('closes its file only once the kernel has ended everything', async () => {
    const calls = new HeldCalls();
    const device = open({ calls });
    const ended = device.flush();
    device.close();
    expect(device.outstanding).toBe(1);
    calls.held[0]!.end('EIO', 0);
    expect(await ended).toMatchObject({ outcome: 'info', code: 'EIO' });
    expect(device.outstanding).toBe(0);
  });

  it('says which device cannot be opened', () => {
    expect(() => open({ path: '/no/such/device' })).toThrow(expect.objectContaining({ code: 'HOST_DEVICE_OPEN', exitCode: 3 }) as Error);
  });
});

describe('AlignedPool', () => {
  it('hands out each buffer once, first come, first served', async () => {
    const pool = new AlignedPool(2, 5_000);
    expect(pool.slotBytes).toBe(8_192);
    const [one, two] = [pool.tryTake()!, pool.tryTake()!];
    one.buffer.fill(1);
    two.buffer.fill(2);
    expect(one.buffer.every((byte) => byte === 1)).toBe(true);
    expect(pool.tryTake()).toBeUndefined();
    const order: number[] = [];
    const third = pool.take().then((slot) => (order.push(3), slot));
    const abort = new AbortController();
    const never = pool.take(abort.signal);
    const fourth = pool.take().then((slot) => (order.push(4), slot));
    abort.abort();
    expect(await never).toBeUndefined();
    two.release();
    two.release();
    expect((await third)!.buffer).toBe(two.buffer);
    one.release();
    await fourth;
    expect(order).toEqual([3, 4]);
    expect(pool.free).toBe(0);
    expect(await pool.take(AbortSignal.abort())).toBeUndefined();
  });
});
