import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../../util/clock.js';
import { cgroupMount, loopsOf, removeMachineParts } from '../machine-parts.js';
import { processStartTime } from '../process-identity.js';
import { findLabs, LabRegistration, removeAbandonedLabs } from '../registry.js';
import { labCgroupPath } from './fabric.js';
import { ensureNativeImages, type NativeImages } from './images.js';
import { labsDir } from './labs-dir.js';
import { NativeMachines } from './native-machines.js';
import { nativeRecipe } from './recipe.js';

// Root, namespaces, and images that take minutes to make: PATHPROOF_NATIVE=1.
const enabled = process.env['PATHPROOF_NATIVE'] === '1';
const minutes = 60_000;

function traces(dir: string): { cgroup: boolean; mounts: string[] } {
  const name = dir.replace(/^.*\//, '');
  return {
    cgroup: existsSync(labCgroupPath(cgroupMount()!, name)),
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').filter((line) => line.includes(dir)),
  };
}

describe.skipIf(!enabled)('native hosts', () => {
  let images: NativeImages;
  let dir: string;
  let stateBefore: string | undefined;
  beforeEach(async () => {
    images = await ensureNativeImages(nativeRecipe(), { progress: (line) => process.stderr.write(`${line}\n`) });
    dir = mkdtempSync(join(labsDir(), 'test-'));
    stateBefore = process.env['PATHPROOF_STATE'];
    process.env['PATHPROOF_STATE'] = join(dir, 'state');
  }, 20 * minutes);
  afterEach(async () => {
    for (const { record } of findLabs()) if (record.parts !== undefined) await removeMachineParts(record.parts);
    if (stateBefore === undefined) delete process.env['PATHPROOF_STATE'];
    else process.env['PATHPROOF_STATE'] = stateBefore;
    rmSync(dir, { recursive: true, force: true });
  });

  function machinesOf(registration: LabRegistration): NativeMachines {
    return new NativeMachines({ dir, images, registration, gatewayHosts: ['gw1'], initiators: ['host1'], fabrics: 1, osdMegabytes: 64, logDir: join(dir, 'logs') });
  }

  it('boot with systemd, reach each other, pause, lose their power, and leave nothing', async () => {
    const registration = new LabRegistration('native', dir, []);
    const machines = machinesOf(registration);
    await machines.start();
    const gateway = machines.host('gw1');
    expect((await gateway.exec('cat /proc/1/comm; hostname; systemctl is-system-running')).stdout).toBe('systemd\ngw1\nrunning');
    expect((await gateway.exec('podman images --format "{{.Repository}}:{{.Tag}}"')).stdout.split('\n').sort()).toEqual(['localhost/ceph:20', 'localhost/pathproof-gateway:dev']);
    expect((await gateway.exec('ping -c 1 -W 2 ceph >/dev/null && echo reached')).stdout).toBe('reached');
    // A container with the host's network, as cephadm runs them, with the limits that it asks for.
    expect((await gateway.exec('podman run --rm --net=host --init --pids-limit=-1 --ulimit memlock=-1:-1 localhost/ceph:20 hostname', { timeoutMs: 60_000 })).stdout).toBe('gw1');
    const [loop] = await loopsOf(machines.osdFile);
    expect(loop).toMatch(/^\/dev\/loop\d+$/);
    expect((await machines.host('ceph').exec(`test -b ${loop!} && echo block`)).stdout).toBe('block');
    // Nothing of it is in this machine's own view.
    expect(traces(dir)).toEqual({ cgroup: true, mounts: [] });

    await gateway.pause();
    // A program that joins a frozen group stands still, too.
    await expect(gateway.exec('true', { timeoutMs: 1_000 })).rejects.toThrow('did not end within 1 s');
    await gateway.resume();
    expect((await gateway.exec('echo awake')).stdout).toBe('awake');

    const init = gateway.pid!;
    await gateway.exec('echo kept > /root/kept; sync');
    await gateway.kill();
    expect(processStartTime(init)).toBeUndefined();
    expect(gateway.running()).toBe(false);
    await expect(gateway.exec('true')).rejects.toThrow('gw1 is off');
    await machines.boot(gateway);
    expect((await gateway.exec('cat /root/kept; ping -c 1 -W 2 ceph >/dev/null && echo reached')).stdout).toBe('kept\nreached');

    const pids = [...machines.hosts.values()].map((host) => host.pid!);
    await machines.stopHosts();
    await removeMachineParts(registration.parts);
    registration.close();
    expect(pids.filter((pid) => processStartTime(pid) !== undefined)).toEqual([]);
    expect(traces(dir)).toEqual({ cgroup: false, mounts: [] });
    expect(await loopsOf(machines.osdFile)).toEqual([]);
  }, 5 * minutes);

  it('whose harness is killed are found and ended', async () => {
    const script = join(dir, 'harness.mts');
    const module = (name: string): string => new URL(name, import.meta.url).pathname;
    writeFileSync(script, [
      `import { LabRegistration } from ${JSON.stringify(module('../registry.ts'))};`,
      `import { NativeMachines } from ${JSON.stringify(module('./native-machines.ts'))};`,
      `const registration = new LabRegistration('native', ${JSON.stringify(dir)}, []);`,
      `const machines = new NativeMachines({ dir: ${JSON.stringify(dir)}, images: ${JSON.stringify(images)}, registration, gatewayHosts: ['gw1'], initiators: ['host1'], fabrics: 1, osdMegabytes: 64, logDir: ${JSON.stringify(join(dir, 'logs'))} });`,
      'await machines.start();',
      `console.log('up ' + [...machines.hosts.values()].map((host) => host.pid).join(' '));`,
      'setInterval(() => undefined, 1_000);',
    ].join('\n'));
    mkdirSync(join(dir, 'logs'), { recursive: true });
    const harness = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'], cwd: process.cwd() });
    const line = await new Promise<string>((resolve, reject) => {
      harness.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
      harness.once('exit', (code) => reject(new Error(`the harness ended with ${code ?? 'a signal'}`)));
    });
    const pids = line.split(' ').slice(1).map(Number);
    expect(pids).toHaveLength(2);
    harness.removeAllListeners('exit');
    const gone = new Promise((resolve) => harness.once('exit', resolve));
    harness.kill('SIGKILL');
    await gone;
    await sleep(100);
    // It did not take its hosts along.
    expect(pids.every((pid) => processStartTime(pid) !== undefined)).toBe(true);
    expect(traces(dir).cgroup).toBe(true);

    const removed = await removeAbandonedLabs();
    expect(removed).toHaveLength(1);
    expect(removed[0]!.ended.join(', ')).toMatch(/processes of .*, \/dev\/loop\d+/);
    expect(pids.filter((pid) => processStartTime(pid) !== undefined)).toEqual([]);
    expect(traces(dir)).toEqual({ cgroup: false, mounts: [] });
    expect(await loopsOf(join(dir, 'hosts', 'osd.img'))).toEqual([]);
    expect(findLabs()).toEqual([]);
  }, 5 * minutes);
});
