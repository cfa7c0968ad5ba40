import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostsText, majorOf } from './base.js';
import { filesStep } from './files.js';
import { readHostPaths } from './program.js';
import { quietDevicesStep, quietDevicesUnit, type Systemctl } from './udev.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-provision-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('filesStep', () => {
  it('writes what differs in text or mode, and only that', async () => {
    let told = 0;
    const files = [{ path: join(dir, 'a/b'), text: 'x\n' }, { path: join(dir, 'secret'), text: 's', mode: 0o600 }];
    const step = filesStep('files', files, () => {
      told += 1;
      return Promise.resolve();
    });
    expect(await step.isDone()).toBe(false);
    await step.make();
    expect(await step.isDone()).toBe(true);
    expect(statSync(files[1]!.path).mode & 0o777).toBe(0o600);
    const inode = statSync(files[0]!.path).ino;
    chmodSync(files[1]!.path, 0o644);
    expect(await step.isDone()).toBe(false);
    await step.make();
    expect(statSync(files[1]!.path).mode & 0o777).toBe(0o600);
    expect(statSync(files[0]!.path).ino).toBe(inode);
    writeFileSync(files[0]!.path, 'y');
    expect(await step.isDone()).toBe(false);
    await step.make();
    expect(readFileSync(files[0]!.path, 'utf8')).toBe('x\n');
    expect(told).toBe(3);
  });
});

describe('hostsText', () => {
  it('adds its lines once, replaces them, and leaves the others', () => {
    const once = hostsText('127.0.0.1 localhost', ['192.0.2.10 ceph']);
    expect(once).toMatch(/^127.0.0.1 localhost\n# .*\n192.0.2.10 ceph\n# .*\n$/);
    expect(hostsText(once, ['192.0.2.10 ceph'])).toBe(once);
    const other = hostsText(`${once}::1 ip6\n`, ['192.0.2.101 gw1']);
    expect(other).toContain('192.0.2.101 gw1');
    expect(other).not.toContain('ceph');
    expect(other.endsWith('::1 ip6\n')).toBe(true);
  });
});

describe('majorOf', () => {
  it('reads versions with and without an epoch', () => {
    expect(['20.2.4+ds-2', '1:19.2.3-1'].map(majorOf)).toEqual([20, 19]);
    expect(majorOf('')).toBeNaN();
  });
});

describe('readHostPaths', () => {
  const uuid = '11111111-1111-4111-8111-111111111111';
  const put = (path: string, text: string): void => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), `${text}\n`);
  };
  /** One namespace over two controllers, as Linux shows it: the uuid at the head, the ANA state at each path. */
  const host = (states: readonly string[], ana: readonly string[]): void => {
    put('block/nvme0n1/uuid', uuid);
    states.forEach((state, i) => {
      put(`class/nvme/nvme${i}/state`, state);
      put(`block/nvme0c${i}n1/ana_state`, ana[i]!);
      symlinkSync(`../../class/nvme/nvme${i}`, join(dir, `block/nvme0c${i}n1/device`));
    });
  };

  it('counts live controllers and optimized paths', () => {
    host(['live', 'live'], ['optimized', 'inaccessible']);
    expect(readHostPaths(dir)).toEqual({ live: 2, optimized: new Map([[uuid, 1]]) });
  });

  it('takes no controller that connects for live, nor its last state for a path', () => {
    host(['connecting', 'live'], ['optimized', 'inaccessible']);
    expect(readHostPaths(dir)).toEqual({ live: 1, optimized: new Map([[uuid, 0]]) });
  });

  it('finds nothing on a machine without NVMe', () => {
    expect(readHostPaths(dir)).toEqual({ live: 0, optimized: new Map() });
  });
});

describe('quietDevicesStep', () => {
  it('ends udev now and after each boot, and changes nothing a second time', async () => {
    const said: string[] = [];
    const is = { 'is-enabled': false, 'is-active': true };
    const systemctl: Systemctl = (...args) => {
      said.push(args.join(' '));
      const [first, second] = args;
      if (first === 'enable') is['is-enabled'] = true;
      if (first === 'stop') is['is-active'] = false;
      return Promise.resolve({ ok: second === 'is-enabled' || second === 'is-active' ? is[second] : true });
    };
    const step = (): ReturnType<typeof quietDevicesStep> => quietDevicesStep(dir, systemctl);
    expect(await step().isDone()).toBe(false);
    await step().make();
    expect(readFileSync(join(dir, 'pathproof-quiet-devices.service'), 'utf8')).toBe(quietDevicesUnit);
    expect(await step().isDone()).toBe(true);
    expect(said.filter((line) => line.startsWith('stop'))).toEqual(['stop systemd-udevd.service systemd-udevd*.socket']);
    // Started again by whoever it was.
    is['is-active'] = true;
    expect(await step().isDone()).toBe(false);
  });
});
