import { execFileSync } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../../util/clock.js';
import { followKernelLog, parseRecord, saysBlocklisted, saysPathFailed } from './kernel-log.js';
import { Krbd } from './krbd.js';
import { mapLine } from './map-options.js';
import { conciseDevices, inflightOf, queueingTable } from './queueing-device.js';
import { StoreEpoch } from './store-epoch.js';

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'pathproof-krbd-')); });
afterEach(() => rmSync(dir, { recursive: true }));

describe('the line that maps an image', () => {
  const request = { monHosts: ['192.0.2.11:3300', '192.0.2.12:3300'], entity: 'client.nvmeof.gw1', pool: 'rbd', image: 'img1', incarnation: 7 };

  it('has a secret with cephx and none without', () => {
    expect(mapLine({ ...request, auth: { kind: 'cephx', secret: 'S==' } }))
      .toBe('192.0.2.11:3300,192.0.2.12:3300 name=nvmeof.gw1,secret=S==,ms_mode=crc,mount_timeout=30,osd_idle_ttl=67 rbd img1 -');
    expect(mapLine({ ...request, auth: { kind: 'none' } })).not.toContain('secret');
  });

  it('is the same for all images of an incarnation but for the name, and another one for the next incarnation', () => {
    const options = (image: string, incarnation: number): string => mapLine({ ...request, image, incarnation, auth: { kind: 'none' } }).split(' ')[1]!;
    expect(options('img1', 1)).toBe(options('img2', 1));
    expect(options('img1', 2)).not.toBe(options('img1', 1));
  });
});

describe('mapping', () => {
  const krbd = (add: (line: string) => Promise<void>): Krbd => new Krbd({
    monHosts: ['m:1'], entity: 'client.x', auth: { kind: 'cephx', secret: 'TOPSECRET' }, pool: 'rbd', incarnation: 0, sysfs: dir, add,
  });
  const device = (id: number, image: string, pool = 'rbd'): void => {
    const at = join(dir, 'bus/rbd/devices', String(id));
    mkdirSync(at, { recursive: true });
    const attributes = { name: image, pool, major: '253', minor: String(16 * id), size: '67108864', client_addr: '192.0.2.101:0/77', client_id: 'client4110', cluster_fsid: 'FSID' };
    for (const [name, value] of Object.entries(attributes)) writeFileSync(join(at, name), `${value}\n`);
  };
  beforeEach(() => mkdirSync(join(dir, 'bus/rbd/devices'), { recursive: true }));

  it('finds what the kernel has made of it, by pool and name', async () => {
    device(0, 'img1', 'other');
    expect(await krbd(async () => device(1, 'img1')).map('img1')).toEqual({
      image: 'img1', id: 1, device: '253:16', sectors: 131_072, clientAddress: '192.0.2.101:0/77', clientName: 'FSID.client4110',
    });
  });

  it('does not share what an earlier incarnation has left', async () => {
    device(3, 'img1');
    await expect(krbd(async () => undefined).map('img1')).rejects.toMatchObject({ code: 'RBD_MAP', message: 'rbd/img1 is mapped already, as rbd3' });
  });

  it.each([['ENOENT', 'there is no such pool or image'], ['ESHUTDOWN', 'this client is on the blocklist'], ['EXDEV', undefined]])('%s: says why, and never the secret', async (code, hint) => {
    const error: unknown = await krbd(async (line) => {
      throw Object.assign(new Error(`${code}: ${line}`), { code });
    }).map('img1').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'RBD_MAP', message: `cannot map rbd/img1: ${code}`, hint });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('TOPSECRET');
  });

  it('that leaves no device is no success', async () => {
    await expect(krbd(async () => undefined).map('img1')).rejects.toThrow('shows none');
  });

  it('writes to the file that takes mappings', async () => {
    writeFileSync(join(dir, 'bus/rbd/add_single_major'), '');
    await expect(new Krbd({ monHosts: ['m:1'], entity: 'client.x', auth: { kind: 'none' }, pool: 'rbd', incarnation: 0, sysfs: dir }).map('img1')).rejects.toThrow('shows none');
    expect(execFileSync('cat', [join(dir, 'bus/rbd/add_single_major')], { encoding: 'utf8' })).toMatch(/^m:1 name=x,.* rbd img1 -$/);
  });
});

describe('the epoch of the store client', () => {
  const file = (): string => join(dir, 'osdmap');
  const at = (epoch: number): void => writeFileSync(file(), `epoch ${epoch} barrier 0 flags 0x588000\npool 1 'rbd' type 1\n`);

  it('is what its map says, and 0 without one', () => {
    const epoch = new StoreEpoch({ osdmapFile: file(), device: '/dev/rbd0' });
    expect(epoch.current()).toBe(0);
    at(41);
    expect(epoch.current()).toBe(41);
  });

  it('that is there already is not waited for, and nothing is read for it', async () => {
    at(41);
    let probes = 0;
    await new StoreEpoch({ osdmapFile: file(), device: '/dev/rbd0', probe: async () => { probes++; } }).waitFor(41);
    expect(probes).toBe(0);
  });

  it('is learned from the OSD, whose own map may come later', async () => {
    at(41);
    const probed: string[] = [];
    const epoch = new StoreEpoch({ osdmapFile: file(), device: '/dev/rbd0', probe: async (device) => {
      probed.push(device);
      if (probed.length === 3) at(42);
    } });
    await epoch.waitFor(42);
    expect(probed).toEqual(['/dev/rbd0', '/dev/rbd0', '/dev/rbd0']);
  });

  it('is waited for while no OSD answers, with one read and not more', async () => {
    at(41);
    let probes = 0;
    const epoch = new StoreEpoch({ osdmapFile: file(), device: '/dev/rbd0', probe: () => {
      probes++;
      return new Promise(() => undefined);
    } });
    let done = false;
    const waiting = epoch.waitFor(42).then(() => { done = true; });
    await sleep(400);
    expect([done, probes]).toEqual([false, 1]);
    at(43);
    await waiting;
    expect(probes).toBe(1);
  });

  it('is not waited for after the end', async () => {
    at(41);
    const epoch = new StoreEpoch({ osdmapFile: file(), device: '/dev/rbd0', probe: async () => undefined });
    const waiting = epoch.waitFor(42);
    epoch.close();
    await expect(waiting).rejects.toThrow('closed while waiting for osdmap epoch 42');
  });
});

describe('the kernel log', () => {
  it.each([
    ['rbd: rbd0: write at objno 8 3309568~4096 result -108', true],
    ['rbd: rbd12: failed to reregister watch: -108', true],
    ['rbd: rbd1: failed to unwatch: -108', true],
    ['rbd: rbd0: encountered watch error: -107', false],
    ['rbd: rbd0: write at objno 8 3309568~4096 result -5', false],
    ['rbd: rbd0: write at objno 8 3309568~4096 result -1081', false],
    ['rbd: rbd0: capacity 67108864 features 0x1', false],
    ['libceph: osd0 (2)192.0.2.31:6800 socket error -108', false],
  ])('"%s" means fenced: %s', (line, fenced) => expect(saysBlocklisted(line)).toBe(fenced));

  it.each([
    ['device-mapper: multipath: 252:0: Failing path 253:0.', true],
    ['device-mapper: multipath: 252:0: Reinstating path 253:0.', false],
  ])('"%s" means that I/O is held back: %s', (line, failed) => expect(saysPathFailed(line)).toBe(failed));

  it('has records with numbers, and continuation lines without', () => {
    expect(parseRecord('4,812,180477603,-;rbd: rbd0: write result -108; again')).toEqual({ sequence: 812, text: 'rbd: rbd0: write result -108; again' });
    expect(parseRecord(' SUBSYSTEM=block')).toBeUndefined();
  });

  it('is followed record by record', async () => {
    const pipe = join(dir, 'kmsg');
    execFileSync('mkfifo', [pipe]);
    const lines: string[] = [];
    const stop = followKernelLog((text) => lines.push(text), pipe);
    const kernel = createWriteStream(pipe);
    kernel.write('6,1,10,-;one\n SUBSYSTEM=block\n6,2,11,-;two\n');
    await expect.poll(() => lines, { timeout: 5_000 }).toEqual(['one', 'two']);
    stop();
    kernel.end();
  });

  it('is followed on when its reader has ended, without telling anything twice', async () => {
    const file = join(dir, 'kmsg');
    writeFileSync(file, '6,1,10,-;long ago\n');
    const lines: string[] = [];
    const stop = followKernelLog((text) => lines.push(text), file);
    // The reader of a file ends at its end, as that of the log does when it was too slow.
    appendFileSync(file, '6,2,11,-;one\n');
    await expect.poll(() => lines, { timeout: 5_000 }).toEqual(['one']);
    appendFileSync(file, '6,3,12,-;two\n');
    await expect.poll(() => lines, { timeout: 5_000 }).toEqual(['one', 'two']);
    await sleep(100);
    stop();
    expect(lines).toEqual(['one', 'two']);
  });

  it('is followed from now on, not from its beginning', async () => {
    const file = join(dir, 'kmsg');
    writeFileSync(file, '6,1,10,-;long ago\n');
    const lines: string[] = [];
    const stop = followKernelLog((text) => lines.push(text), file);
    await sleep(300);
    stop();
    expect(lines).toEqual([]);
  });
});

describe('the device that queues', () => {
  it('has one path, and holds what that refuses', () => {
    expect(queueingTable({ device: '253:16', sectors: 131_072 })).toBe('0 131072 multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 1 253:16 1');
  });

  it('is made together with the others', () => {
    expect(conciseDevices([{ name: 'a', table: '0 1 zero' }, { name: 'b', table: '0 2 zero' }])).toBe('a,,,rw,0 1 zero;b,,,rw,0 2 zero');
  });

  it('counts reads and writes under way; gone is idle', () => {
    writeFileSync(join(dir, 'inflight'), '       2        5\n');
    expect(inflightOf(join(dir, 'inflight'))).toBe(7);
    expect(inflightOf(join(dir, 'none'))).toBe(0);
  });
});
