import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processStartTime } from '../process-identity.js';
import { SnapshotStore } from './snapshots.js';

const content = { savedAt: '2026-01-01T00:00:00Z', cluster: { fsid: 'f', auth: 'none' as const, monHosts: ['192.0.2.11:3300'], entities: [] }, tags: { base: { programs: '', savedAt: 'x', seconds: 1 } } };

describe('SnapshotStore', () => {
  let cache: string;
  const before = process.env['XDG_CACHE_HOME'];
  const children: ChildProcess[] = [];
  beforeEach(() => {
    process.env['XDG_CACHE_HOME'] = cache = mkdtempSync(join(tmpdir(), 'ppsnap-'));
  });
  afterEach(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(cache, { recursive: true, force: true });
  });
  const other = (): { name: string; pid: number; startTime: string } => {
    const child = spawn('sleep', ['60']);
    children.push(child);
    return { name: 'ceph', pid: child.pid!, startTime: processStartTime(child.pid!)! };
  };

  it('has nothing before something was saved, gives back what was, and forgets it', () => {
    const store = SnapshotStore.take('k1');
    expect(store.manifest()).toBeUndefined();
    store.writeManifest(content);
    writeFileSync(join(store.dir, 'ceph.state.qcow2'), 'x');
    expect(store.manifest()).toMatchObject(content);
    store.discard();
    expect(store.manifest()).toBeUndefined();
    expect(existsSync(join(store.dir, 'ceph.state.qcow2'))).toBe(false);
  });

  it('takes a manifest of another design or form for none', () => {
    const store = SnapshotStore.take('k1');
    store.writeManifest(content);
    writeFileSync(join(store.dir, 'manifest.json'), JSON.stringify({ format: 1, key: 'k2', ...content }));
    expect(store.manifest()).toBeUndefined();
    writeFileSync(join(store.dir, 'manifest.json'), '{');
    expect(store.manifest()).toBeUndefined();
  });

  it('refuses a folder that a living lab has, unless that lab is taken over', () => {
    const machine = other();
    const store = SnapshotStore.take('k1');
    store.hold([machine]);
    expect(() => SnapshotStore.take('k1')).toThrow(expect.objectContaining({ code: 'LAB_BUSY', exitCode: 3 }));
    expect(() => SnapshotStore.take('k1', [machine])).not.toThrow();
    expect(() => SnapshotStore.take('k2')).not.toThrow();
  });

  it('takes over the folder of a lab that was killed', () => {
    SnapshotStore.take('k1').hold([{ name: 'ceph', pid: 2 ** 30, startTime: '1' }]);
    expect(() => SnapshotStore.take('k1')).not.toThrow();
  });

  it('keeps the few that were used last, and those in use', () => {
    const machine = other();
    for (let i = 1; i <= 6; i++) {
      const store = SnapshotStore.take(`k${i}`);
      store.writeManifest(content);
      utimesSync(join(store.dir, 'manifest.json'), i, i);
      if (i === 1) store.hold([machine]);
      else store.release();
    }
    SnapshotStore.take('k7');
    expect(Array.from({ length: 7 }, (_, i) => existsSync(join(cache, 'pathproof/snapshots', `k${i + 1}`)))).toEqual([true, false, false, true, true, true, true]);
  });
});
