import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NbdClient } from '../nbd/client.js';
import { StorageDaemon, type StorageDaemonOptions } from './daemon.js';

const hasProgram = spawnSync('qemu-storage-daemon', ['--version']).status === 0;
const said: string[] = [];
let dir: string;
let daemon: StorageDaemon | undefined;
beforeEach(() => {
  said.length = 0;
  dir = mkdtempSync(join(tmpdir(), 'pathproof-qsd-'));
});
afterEach(async () => {
  await daemon?.kill();
  daemon = undefined;
  rmSync(dir, { recursive: true });
});

function options(count: number, more: Partial<StorageDaemonOptions> = {}): StorageDaemonOptions {
  const devices = Array.from({ length: count }, (_, index) => {
    const filename = join(dir, `disk ${index}`);
    writeFileSync(filename, Buffer.alloc(65_536, index + 1));
    return { name: `image${index}`, blockdev: { driver: 'file', filename, discard: 'unmap' } };
  });
  return { dir, devices, openMaxMs: 20_000, log: (line) => said.push(line), ...more };
}

/** A program in the place of the real one. */
function script(text: string): string {
  const path = join(dir, 'program');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe.skipIf(!hasProgram)('the real storage daemon', { timeout: 60_000 }, () => {
  it('exports each device by its name when start resolves, more than a hundred too', async () => {
    daemon = await StorageDaemon.start(options(120));
    const clients = await Promise.all([0, 1, 119].map((index) => NbdClient.open(daemon!.socket, `image${index}`)));
    expect(await Promise.all(clients.map(async (client) => (await client.read(0, 1))[0]))).toEqual([1, 2, 120]);
    expect(clients.map((client) => client.can('readOnly'))).toEqual([false, false, false]);
    await clients[0]!.write(512, Buffer.alloc(512, 9), { fua: true });
    await Promise.all(clients.map((client) => client.close()));
  });

  it('ends in good order, and tells it', async () => {
    daemon = await StorageDaemon.start(options(1));
    const { pid } = daemon;
    expect(pid).toBeGreaterThan(0);
    await daemon.stop(10_000);
    expect(await daemon.ended).toMatch(/ended with exit code 0/);
    expect(daemon.pid).toBeUndefined();
  });

  it('tells when somebody kills it', async () => {
    daemon = await StorageDaemon.start(options(1));
    process.kill(daemon.pid!, 'SIGKILL');
    expect(await daemon.ended).toContain('ended with SIGKILL');
  });

  it('says why it cannot open a device', async () => {
    const wrong = options(1);
    await expect(StorageDaemon.start({ ...wrong, devices: [{ name: 'image0', blockdev: { driver: 'file', filename: join(dir, 'nothing') } }] }))
      .rejects.toMatchObject({ code: 'QSD', message: expect.stringMatching(/exit code 1: .*No such file/) as unknown, details: [expect.stringContaining('No such file')] });
  });
});

describe('a storage daemon', { timeout: 30_000 }, () => {
  it('that cannot be started is an error, not a wait', async () => {
    await expect(StorageDaemon.start(options(1, { program: join(dir, 'nothing') }))).rejects.toMatchObject({ code: 'QSD' });
  });

  it('is quoted in whole lines, in however many pieces it writes them', async () => {
    const program = script('printf "cannot "; sleep 0.2; printf "open\\nit"; exit 3');
    await expect(StorageDaemon.start(options(1, { program }))).rejects.toMatchObject({ message: 'qemu-storage-daemon ended with exit code 3: it', details: ['cannot open', 'it'] });
  });

  it('that does not get its devices open is ended', async () => {
    const program = script(`echo $$ >${dir}/pid.txt; echo waiting for the cluster; exec sleep 100`);
    await expect(StorageDaemon.start(options(1, { program, openMaxMs: 1_000 }))).rejects.toMatchObject({
      code: 'QSD', message: 'not all devices are open after 1 s', details: ['waiting for the cluster'],
    });
    expect(said).toEqual(['waiting for the cluster']);
    expect(spawnSync('sh', ['-c', `kill -0 $(cat ${dir}/pid.txt)`]).status).not.toBe(0);
  });

  it('that does not end when it is asked is killed after its time', async () => {
    daemon = await StorageDaemon.start(options(1, { program: script(`trap : TERM; : >${dir}/qsd.pid; while :; do sleep 0.1; done`) }));
    const startedMs = performance.now();
    await daemon.stop(300);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(295);
    expect(await daemon.ended).toContain('ended with SIGKILL');
  });

  it('without the rbd driver says what to install', async () => {
    const program = script('echo "qemu-storage-daemon: --blockdev: Unknown driver \'rbd\'" >&2; exit 1');
    await expect(StorageDaemon.start(options(1, { program }))).rejects.toMatchObject({ code: 'QSD', hint: 'apt-get install -y qemu-block-extra' });
  });
});
