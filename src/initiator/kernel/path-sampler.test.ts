import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PathSampler } from './path-sampler.js';
import type { SampledChange } from './path-sampler.js';
import { SysfsTree, testNqn, uuidOf } from './testing/sysfs-tree.js';

let dir: string;
let tree: SysfsTree;
let sampler: PathSampler;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-sysfs-'));
  tree = new SysfsTree(dir);
  tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
  tree.addController({ name: 'nvme1', traddr: '192.0.2.2', cntlid: 2041 });
  tree.addPath({ name: 'nvme0c0n1', controller: 'nvme0', nsid: 1, group: 1 });
  tree.addPath({ name: 'nvme0c1n1', controller: 'nvme1', nsid: 1, group: 1, ana: 'inaccessible' });
  sampler = new PathSampler(tree.roots, tree.calls, testNqn);
});
afterEach(() => {
  sampler.close();
  expect(tree.openCount).toBe(0);
  rmSync(dir, { recursive: true });
});

const words = (changes: SampledChange[]): string[] => changes.map((change) => {
  switch (change.kind) {
    case 'controller': return `${change.controller.name} ${change.controller.state}`;
    case 'path': return `${change.path.name} ${change.path.anaState}`;
    default: return `${change.kind} ${change.name}`;
  }
});

describe('PathSampler', () => {
  it('finds all controllers and paths of its subsystem, with their identities', () => {
    const changes = sampler.sample(true);
    expect(changes).toEqual([
      { kind: 'controller', controller: { name: 'nvme0', traddr: '192.0.2.1', trsvcid: '4420', cntlid: 1, state: 'live' } },
      { kind: 'controller', controller: { name: 'nvme1', traddr: '192.0.2.2', trsvcid: '4420', cntlid: 2041, state: 'live' } },
      { kind: 'path', path: { name: 'nvme0c0n1', controller: 'nvme0', nsUuid: uuidOf(1), nsid: 1, anaGroup: 1, anaState: 'optimized' } },
      { kind: 'path', path: { name: 'nvme0c1n1', controller: 'nvme1', nsUuid: uuidOf(1), nsid: 1, anaGroup: 1, anaState: 'inaccessible' } },
    ]);
    expect(sampler.sample(true)).toEqual([]);
  });

  it('tells changes only, by one read of each open file', () => {
    sampler.sample(true);
    tree.reads = 0;
    expect(sampler.sample(false)).toEqual([]);
    expect(tree.reads).toBe(4);
    tree.setAna('nvme0c0n1', 'inaccessible');
    tree.setAna('nvme0c1n1', 'optimized');
    tree.setState('nvme1', 'fenced');
    expect(words(sampler.sample(false))).toEqual(['nvme1 fenced', 'nvme0c0n1 inaccessible', 'nvme0c1n1 optimized']);
    expect(sampler.sample(false)).toEqual([]);
  });

  it('reads the controller id anew when the state changes', () => {
    sampler.sample(true);
    tree.write('class/nvme/nvme1/cntlid', '2042');
    expect(sampler.sample(false)).toEqual([]);
    tree.setState('nvme1', 'connecting');
    expect(sampler.sample(false)).toMatchObject([{ kind: 'controller', controller: { cntlid: 2042, state: 'connecting' } }]);
  });

  it('notices what vanishes when it reads it, without waiting for a rescan', () => {
    sampler.sample(true);
    tree.remove('path', 'nvme0c1n1');
    tree.remove('controller', 'nvme1');
    expect(words(sampler.sample(false))).toEqual(['path-gone nvme0c1n1', 'controller-gone nvme1']);
    expect(sampler.controllers.map(({ name }) => name)).toEqual(['nvme0']);
    expect(sampler.sample(true)).toEqual([]);
  });

  it('tells one that went and came back under its name', () => {
    sampler.sample(true);
    tree.remove('path', 'nvme0c1n1');
    tree.addPath({ name: 'nvme0c1n1', controller: 'nvme1', nsid: 2, group: 2, ana: 'change' });
    expect(sampler.sample(false)).toMatchObject([{ kind: 'path-gone', name: 'nvme0c1n1' }, { kind: 'path', path: { nsid: 2, anaGroup: 2, anaState: 'change' } }]);
  });

  it('finds new ones with a rescan', () => {
    sampler.sample(true);
    tree.addController({ name: 'nvme2', traddr: '192.0.2.3', state: 'connecting' });
    expect(sampler.sample(false)).toEqual([]);
    expect(words(sampler.sample(true))).toEqual(['nvme2 connecting']);
    tree.addPath({ name: 'nvme0c2n1', controller: 'nvme2', nsid: 1, group: 1, ana: 'inaccessible' });
    expect(words(sampler.sample(true))).toEqual(['nvme0c2n1 inaccessible']);
  });

  it('waits for a controller that has no subsystem yet, and its paths for it', () => {
    sampler.sample(true);
    tree.addController({ name: 'nvme2', traddr: '192.0.2.3', nqn: '(efault)', state: 'connecting' });
    tree.addPath({ name: 'nvme0c2n1', controller: 'nvme2', nsid: 1, group: 1 });
    expect(sampler.sample(true)).toEqual([]);
    tree.write('class/nvme/nvme2/subsysnqn', testNqn);
    expect(words(sampler.sample(true))).toEqual(['nvme2 connecting', 'nvme0c2n1 optimized']);
  });

  it('leaves other subsystems alone', () => {
    tree.addController({ name: 'nvme7', traddr: '192.0.2.7', nqn: 'nqn.other' });
    tree.addPath({ name: 'nvme3c7n1', controller: 'nvme7', nsid: 1, group: 1 });
    expect(words(sampler.sample(true))).toHaveLength(4);
    tree.setState('nvme7', 'resetting');
    expect(sampler.sample(true)).toEqual([]);
    // Its name is free again, for a controller of ours.
    tree.remove('path', 'nvme3c7n1');
    tree.remove('controller', 'nvme7');
    sampler.sample(true);
    tree.addController({ name: 'nvme7', traddr: '192.0.2.7' });
    expect(words(sampler.sample(true))).toEqual(['nvme7 live']);
  });

  it('has paths without ANA, whose state is unknown', () => {
    tree.addPath({ name: 'nvme0c0n2', controller: 'nvme0', nsid: 2, group: 2, ana: '' });
    expect(words(sampler.sample(true))).toContain('nvme0c0n2 undefined');
    expect(sampler.sample(false)).toEqual([]);
    tree.remove('path', 'nvme0c0n2');
    expect(words(sampler.sample(true))).toEqual(['path-gone nvme0c0n2']);
  });

  it('notices another ANA group without another state only when it is asked to', () => {
    sampler.sample(true);
    expect(sampler.refresh()).toEqual([]);
    tree.write('block/nvme0c0n1/ana_grpid', '2');
    expect(sampler.sample(false)).toEqual([]);
    expect(sampler.refresh()).toMatchObject([{ kind: 'path', path: { name: 'nvme0c0n1', anaGroup: 2 } }]);
    expect(sampler.refresh()).toEqual([]);
  });

  it('does not hide that it may not read', () => {
    const forbidden = new PathSampler(tree.roots, { ...tree.calls, readdirSync: () => { throw Object.assign(new Error('EACCES'), { code: 'EACCES' }); } }, testNqn);
    expect(() => forbidden.sample(true)).toThrow('EACCES');
  });
});
