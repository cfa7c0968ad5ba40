import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCounters } from './counters.js';
import { anaStateOf, controllerStateOf, headOfPath, parseAddress, pathUsable } from './states.js';
import { SysfsTree, testNqn, uuidOf } from './testing/sysfs-tree.js';
import { readTopology } from './topology.js';

let dir: string;
let tree: SysfsTree;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-sysfs-'));
  tree = new SysfsTree(dir);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('readTopology', () => {
  it('reads controllers, paths and heads of one subsystem', () => {
    tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
    tree.addController({ name: 'nvme5', traddr: '192.0.2.5', nqn: 'nqn.other' });
    tree.addPath({ name: 'nvme0c0n2', controller: 'nvme0', nsid: 1, group: 3, ana: 'non-optimized' });
    tree.addPath({ name: 'nvme9c5n1', controller: 'nvme5', nsid: 1, group: 1 });
    tree.addHead('nvme0n2', 1, { nguid: 'AABBCCDD-0011-2233-4455-66778899AABB', sectors: 2_048, blockSize: 4096 });
    const { controllers, paths, heads } = readTopology(tree.roots, tree.calls, testNqn);
    expect(controllers).toEqual([{
      name: 'nvme0', state: 'live', subsysnqn: testNqn, hostnqn: 'nqn.host', hostid: 'id', transport: 'tcp', traddr: '192.0.2.1', trsvcid: '4420', cntlid: 1,
      kato: 5, reconnectDelay: 10, ctrlLossTmo: 600, fastIoFailTmo: undefined, queueCount: 3,
    }]);
    expect(paths).toEqual([{ name: 'nvme0c0n2', controller: 'nvme0', head: 'nvme0n2', anaState: 'non-optimized', anaGroup: 3 }]);
    expect(heads).toEqual([{ name: 'nvme0n2', uuid: uuidOf(1), nguid: 'aabbccdd00112233445566778899aabb', nsid: 1, blockSize: 4096, blocks: 256, transferMaxBytes: 1_048_576 }]);
  });

  it('keeps a head that has lost its last path', () => {
    tree.addHead('nvme0n1', 4);
    expect(readTopology(tree.roots, tree.calls, testNqn)).toMatchObject({ controllers: [], paths: [], heads: [{ name: 'nvme0n1', nsid: 4, nguid: '' }] });
  });

  it('is empty without any NVMe device, and where attributes are missing', () => {
    expect(readTopology({ ...tree.roots, sys: join(dir, 'nowhere') }, tree.calls, testNqn)).toEqual({ controllers: [], paths: [], heads: [] });
    tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
    tree.addHead('nvme0n1', 1);
    rmSync(join(tree.roots.sys, 'class/nvme/nvme0/cntlid'));
    rmSync(join(tree.roots.sys, 'class/nvme/nvme0/kato'));
    rmSync(join(tree.roots.sys, 'block/nvme0n1/size'));
    expect(readTopology(tree.roots, tree.calls, testNqn)).toMatchObject({ controllers: [{ cntlid: -1, kato: undefined }], heads: [] });
  });
});

describe('states', () => {
  it('has the history’s names for the kernel’s, and unknown for those to come', () => {
    expect(['new', 'live', 'resetting', 'connecting', 'deleting', 'deleting (no IO)', 'dead', 'fencing', '', undefined].map(controllerStateOf))
      .toEqual(['new', 'live', 'resetting', 'connecting', 'deleting', 'deleting', 'dead', 'unknown', 'unknown', 'unknown']);
    expect(['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change', '<null>', undefined].map(anaStateOf))
      .toEqual(['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change', 'unknown', 'unknown']);
  });

  it('calls a path usable as Linux does', () => {
    const usable = (controller: string): boolean[] => ['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change'].map((ana) => pathUsable(controller, ana));
    expect(usable('live')).toEqual([true, true, false, false, false]);
    expect(usable('deleting')).toEqual([true, true, false, false, false]);
    for (const state of ['new', 'connecting', 'resetting', 'deleting (no IO)', 'dead', 'fencing']) expect(usable(state)).toEqual([false, false, false, false, false]);
    expect(pathUsable('live', undefined)).toBe(true);
  });

  it('reads addresses and names', () => {
    expect(parseAddress('traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.9')).toEqual({ traddr: '192.0.2.1', trsvcid: '4420' });
    expect(parseAddress('traddr=fd00::1, trsvcid=8009')).toEqual({ traddr: 'fd00::1', trsvcid: '8009' });
    expect(parseAddress(undefined)).toEqual({ traddr: '', trsvcid: '' });
    expect(headOfPath('nvme10c3n12')).toBe('nvme10n12');
  });
});

describe('readCounters', () => {
  it('sums what there is and claims nothing where there is none', () => {
    tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
    tree.addController({ name: 'nvme1', traddr: '192.0.2.2' });
    tree.addPath({ name: 'nvme0c0n1', controller: 'nvme0', nsid: 1, group: 1 });
    tree.addHead('nvme0n1', 1);
    const counters = (): Record<string, number> => readCounters(tree.roots, tree.calls, readTopology(tree.roots, tree.calls, testNqn));
    expect(counters()).toEqual({});
    tree.write('class/nvme/nvme0/diag/reconnect_count', '3');
    tree.write('class/nvme/nvme1/diag/reconnect_count', '5');
    tree.write('block/nvme0c0n1/diag/multipath_failover_count', '2');
    tree.write('block/nvme0c0n1/diag/command_retries_count', '7');
    tree.write('block/nvme0n1/diag/io_requeue_no_usable_path_count', '4');
    expect(counters()).toEqual({ reconnects: 8, failovers: 2, localRetries: 7, requeued: 4 });
  });
});
