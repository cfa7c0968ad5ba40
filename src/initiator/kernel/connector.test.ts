import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { productionTimers } from '../../plan/timers.js';
import { KernelConnector, wholeSeconds } from './connector.js';
import type { KernelHostSettings } from './connector.js';
import { lastWords, runProgram } from './nvme-cli.js';
import type { ProgramResult } from './nvme-cli.js';
import { SysfsTree, testNqn } from './testing/sysfs-tree.js';

const settings: KernelHostSettings = {
  nqn: testNqn, hostNqn: 'nqn.host', hostId: 'id', policy: 'round-robin', ioQueues: 2, digests: { header: true, data: false },
  controllers: [
    { gateway: 'gw1', fabric: 'a', traddr: '192.0.2.1', trsvcid: '4420' },
    { gateway: 'gw2', fabric: 'a', traddr: '192.0.2.2', trsvcid: '4420' },
  ],
  timers: { ...productionTimers, ioTimeoutMs: 7_500, reconnectDelayMs: 2_000 },
};

let dir: string;
let tree: SysfsTree;
/** Calls of nvme(1), as text. */
let calls: string[];
let refused: Map<string, ProgramResult>;
let next: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-connect-'));
  tree = new SysfsTree(dir);
  calls = [];
  refused = new Map();
  next = 0;
});
afterEach(() => rmSync(dir, { recursive: true }));

/** An nvme-cli that makes controllers of the tree, and files of sysfs that remove them. */
const connector = (change: Partial<KernelHostSettings> = {}): KernelConnector => new KernelConnector({ ...settings, ...change }, tree.roots, tree.calls, {
  run: (program, args) => {
    calls.push([program, ...args].join(' '));
    const traddr = args.find((arg) => arg.startsWith('--traddr='))!.slice('--traddr='.length);
    const refusal = refused.get(traddr);
    if (refusal !== undefined) return Promise.resolve(refusal);
    tree.addController({ name: `nvme${next++}`, traddr });
    return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
  },
  write: (path, text) => {
    const name = basename(dirname(path));
    calls.push(`${relative(tree.roots.sys, path)} ${text}`);
    const refusal = refused.get(name);
    if (refusal !== undefined) return Promise.reject(new Error(refusal.stderr));
    tree.remove('controller', name);
    return Promise.resolve();
  },
});
const parameter = (name: string): string => readFileSync(join(tree.roots.sys, 'module/nvme_core/parameters', name), 'utf8').trim();

describe('KernelConnector', () => {
  it('sets the parameters and the policy, then connects every address', async () => {
    const report = await connector().connect();
    expect(report).toEqual({ connected: ['nvme0', 'nvme1'], kept: [], disconnected: [], problems: [] });
    expect(calls[0]).toBe(`nvme connect --transport=tcp --traddr=192.0.2.1 --trsvcid=4420 --nqn=${testNqn} --hostnqn=nqn.host --hostid=id `
      + '--keep-alive-tmo=5 --reconnect-delay=2 --ctrl-loss-tmo=600 --nr-io-queues=2 --hdr-digest');
    expect([parameter('io_timeout'), parameter('admin_timeout'), parameter('iopolicy')]).toEqual(['8', '60', 'round-robin']);
    expect(readFileSync(join(tree.roots.sys, 'class/nvme-subsystem/nvme-subsys0/iopolicy'), 'utf8').trim()).toBe('round-robin');
  });

  it('passes the timers on that are off or set', async () => {
    await connector({ timers: { ...settings.timers, ctrlLossTmoMs: -1, fastIoFailTmoMs: 1_500 }, digests: { header: false, data: true } }).connect();
    expect(calls[0]).toContain('--ctrl-loss-tmo=-1 --fast_io_fail_tmo=2 --nr-io-queues=2 --data-digest');
    expect([wholeSeconds(-1), wholeSeconds(0), wholeSeconds(1), wholeSeconds(1_000), wholeSeconds(1_001)]).toEqual([-1, 1, 1, 1, 2]);
  });

  it('does nothing where everything is as it should be, reconnecting controllers included', async () => {
    const host = connector();
    await host.connect();
    tree.setState('nvme1', 'connecting');
    calls = [];
    expect(await host.connect()).toEqual({ connected: [], kept: ['nvme0', 'nvme1'], disconnected: [], problems: [] });
    expect(calls).toEqual([]);
  });

  it('connects again what is missing', async () => {
    const host = connector();
    await host.connect();
    tree.remove('controller', 'nvme0');
    expect(await host.connect()).toMatchObject({ connected: ['nvme2'], kept: ['nvme1'] });
  });

  it('disconnects what an earlier process or somebody else has connected, and nothing of other subsystems', async () => {
    tree.addController({ name: 'nvme7', traddr: '192.0.2.1' });
    tree.addController({ name: 'nvme8', traddr: '192.0.2.99', hostnqn: 'nqn.other-host' });
    tree.addController({ name: 'nvme9', traddr: '192.0.2.1', nqn: 'nqn.other' });
    const report = await connector().connect();
    expect(report).toMatchObject({ connected: ['nvme0', 'nvme1'], disconnected: ['nvme7', 'nvme8'], problems: [] });
    expect(calls.slice(0, 2)).toEqual(['class/nvme/nvme7/delete_controller 1', 'class/nvme/nvme8/delete_controller 1']);
  });

  it('says which path failed and what nvme-cli said, and goes on with the others', async () => {
    refused.set('192.0.2.2', { exitCode: 1, stdout: '', stderr: 'could not add new controller: connection refused\n' });
    const report = await connector().connect();
    expect(report).toMatchObject({ connected: ['nvme0'], problems: ['gw2 on fabric a (192.0.2.2:4420): nvme connect: could not add new controller: connection refused'] });
  });

  it('does not believe an exit code that the kernel contradicts', async () => {
    refused.set('192.0.2.1', { exitCode: 0, stdout: 'already connected', stderr: '' });
    expect((await connector().connect()).problems).toEqual(['gw1 on fabric a (192.0.2.1:4420): nvme connect succeeded, but the kernel shows no such controller']);
    tree.addController({ name: 'nvme7', traddr: '192.0.2.7' });
    refused.set('nvme7', { exitCode: 0, stdout: '', stderr: 'EBUSY: resource busy' });
    expect((await connector().disconnect()).problems).toEqual(['nvme7 (192.0.2.7:4420) was not deleted: EBUSY: resource busy']);
  });

  it('refuses a machine that cannot be an NVMe/TCP host', async () => {
    rmSync(join(tree.roots.dev, 'nvme-fabrics'));
    await expect(connector().connect()).rejects.toMatchObject({ code: 'HOST_NVME_SETUP', exitCode: 3, message: expect.stringContaining('nvme-fabrics') as string });
    tree = new SysfsTree(join(dir, 'other'));
    rmSync(join(tree.roots.sys, 'module'), { recursive: true });
    await expect(connector().connect()).rejects.toMatchObject({ code: 'HOST_NVME_SETUP', message: expect.stringContaining('nvme_core.io_timeout cannot be set to 8') as string });
  });
});

describe('runProgram', () => {
  it('gives exit code and output, and never rejects', async () => {
    const result = await runProgram('sh', ['-c', 'echo out; echo why >&2; exit 3'], 5_000);
    expect(result).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'why' });
    expect(lastWords(result)).toBe('why');
    expect(lastWords({ exitCode: 4, stdout: '', stderr: ' \n' })).toBe('exit code 4');
    expect(await runProgram('no-such-program-here', [], 5_000)).toMatchObject({ exitCode: -1, stderr: expect.stringContaining('ENOENT') as string });
    expect(await runProgram('sleep', ['5'], 100)).toMatchObject({ exitCode: -1, stderr: 'did not end within 0.1 s' });
  });
});
