import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseStat, PathCounters } from './path-counters.js';
import type { SampledPath } from './path-sampler.js';
import { SysfsTree, uuidOf } from './testing/sysfs-tree.js';

let dir: string;
let tree: SysfsTree;
let counters: PathCounters;
let clockUs: number;
const path: SampledPath = { name: 'nvme0c0n1', controller: 'nvme0', nsUuid: uuidOf(1), nsid: 1, anaGroup: 1, anaState: 'optimized' };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-sysfs-'));
  tree = new SysfsTree(dir);
  tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
  tree.addPath({ name: path.name, controller: 'nvme0', nsid: 1, group: 1 });
  clockUs = 0;
  counters = new PathCounters(tree.roots, tree.calls, () => (clockUs += 10));
});
afterEach(() => {
  counters.close();
  expect(tree.openCount).toBe(0);
  rmSync(dir, { recursive: true });
});

describe('PathCounters', () => {
  it('gives the difference between two readings, from before the first to after the second', () => {
    tree.setStat(path.name, { reads: 100, sectorsRead: 800, writes: 50, sectorsWritten: 400, inflight: 3 });
    expect(counters.read([path])).toMatchObject({ paths: [] });
    tree.setStat(path.name, { reads: 102, sectorsRead: 816, writes: 51, sectorsWritten: 400, inflight: 1 });
    expect(counters.read([path])).toEqual({
      fromUs: 10, toUs: 40, paths: [{ path, reads: 2, writes: 1, bytesRead: 8192, bytesWritten: 0, inflightBefore: 3, errors: null }],
    });
    expect(counters.read([path]).paths).toMatchObject([{ reads: 0, inflightBefore: 1 }]);
  });

  it('counts errors where the kernel does', () => {
    tree.write(`block/${path.name}/diag/command_error_count`, '4');
    counters.read([path]);
    tree.write(`block/${path.name}/diag/command_error_count`, '6');
    expect(counters.read([path]).paths).toMatchObject([{ errors: 2 }]);
  });

  it('leaves a path out of the window in which it came, went, or did both', () => {
    tree.setStat(path.name, { writes: 9 });
    counters.read([path]);
    expect(counters.read([]).paths).toEqual([]);
    expect(counters.read([path]).paths).toEqual([]);
    expect(counters.read([path]).paths).toMatchObject([{ writes: 0 }]);
    tree.remove('path', path.name);
    tree.addPath({ name: path.name, controller: 'nvme0', nsid: 1, group: 1 });
    tree.setStat(path.name, { writes: 1 });
    expect(counters.read([path]).paths).toEqual([]);
    tree.setStat(path.name, { writes: 3 });
    expect(counters.read([path]).paths).toMatchObject([{ writes: 2 }]);
  });

  it('reads stat as kernels of all ages print it', () => {
    expect(parseStat('  14678        0   117416     2312  959  0  7672  44  1  3  4')).toEqual({ reads: 14678, sectorsRead: 117416, writes: 959, sectorsWritten: 7672, inflight: 1 });
    expect(parseStat('1 0 8 2 0 0 0 0 0 4 2 0 0 0 0 0 0')).toMatchObject({ reads: 1, sectorsRead: 8, writes: 0 });
  });
});
