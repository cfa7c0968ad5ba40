import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../../history/events.js';
import { sleep } from '../../../util/clock.js';
import { findProgram } from '../../qemu/tools.js';
import type { ExecStream } from '../../ssh/connection.js';
import { GatewayWatch, watchCommand, type RunningGateway } from './gateway-watch.js';

const fsid = '4f1f0a0e-8a36-4b39-9d5c-0d6f9f5d2a11';
const service = 'nvmeof.rbd.grp1';
const daemon = `${service}.node-a.abcdef`;

/** The program as it runs on a gateway's host, with a folder of its own for /run, and a stand-in for conmon: named like it, with a child. */
describe.skipIf(findProgram('python3') === undefined)('the watch on a gateway’s host', () => {
  let dir: string;
  let watch: GatewayWatch | undefined;
  let seen: (RunningGateway | null)[];
  let events: EventBody[];
  let streams: ChildProcess[];
  const children: ChildProcess[] = [];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppwatch-'));
    seen = [];
    events = [];
    streams = [];
  });
  afterEach(() => {
    watch?.stop();
    for (const child of [...children.splice(0), ...streams]) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  const ssh = {
    stream: (command: string, onLine: (line: string) => void): ExecStream => {
      const child = spawn('sh', ['-c', `${command} '${dir}'`], { stdio: ['ignore', 'pipe', 'inherit'] });
      streams.push(child);
      createInterface({ input: child.stdout }).on('line', onLine);
      return { ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode }))), write: () => undefined, stop: () => void child.kill('SIGTERM') };
    },
  };
  const begin = (): void => {
    watch = new GatewayWatch({ name: 'gw1', ssh, fsid, service, onGateway: (running) => void seen.push(running), emit: (event) => void events.push(event) });
  };
  /** Runs a container: conmon with one child, and the two files of cephadm's unit. Resolves to the child's pid. */
  async function container(id: string): Promise<{ conmon: ChildProcess; pid: number }> {
    const conmon = spawn('python3', ['-c', 'import subprocess\nopen("/proc/self/comm", "w").write("conmon")\nchild = subprocess.Popen(["sleep", "60"])\nprint(child.pid, flush=True)\nchild.wait()', '-c', id, '-p', join(dir, id)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(conmon);
    const pid = Number(await new Promise<string>((resolve) => conmon.stdout.once('data', (data: Buffer) => resolve(data.toString()))));
    writeFileSync(join(dir, id), `${pid}`);
    for (const [what, text] of [['cid', id], ['pid', String(conmon.pid)]] as const) writeFileSync(join(dir, `ceph-${fsid}@${daemon}.service-${what}`), text);
    return { conmon, pid };
  }

  it('tells of each container that begins or ends', async () => {
    begin();
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([null]);
    const first = await container('c0ffee');
    await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toEqual({ pid: first.pid, container: 'c0ffee', daemon });
    // The files of a unit that was killed stay.
    process.kill(first.pid, 'SIGKILL');
    await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBeNull();
    const second = await container('decade');
    await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toEqual({ pid: second.pid, container: 'decade', daemon });
    process.kill(second.pid, 'SIGKILL');
    expect(seen).toHaveLength(4);
  });

  it('takes no other process for a container: not one that has conmon’s pid now, and no other service’s', async () => {
    writeFileSync(join(dir, `ceph-${fsid}@${daemon}.service-pid`), String(process.pid));
    writeFileSync(join(dir, `ceph-${fsid}@${daemon}.service-cid`), 'c0ffee');
    const { pid } = await container('decade');
    rmSync(join(dir, `ceph-${fsid}@${daemon}.service-pid`));
    writeFileSync(join(dir, `ceph-${fsid}@nvmeof.rbd.other.node-a.abcdef.service-pid`), String(children[0]!.pid));
    begin();
    await expect.poll(() => events.filter(({ type }) => type === 'self.watch').length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(seen).toEqual([null]);
    process.kill(pid, 'SIGKILL');
  });

  it('says how long the host did not let it run', async () => {
    begin();
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const before = events.length;
    streams[0]!.kill('SIGSTOP');
    await sleep(700);
    streams[0]!.kill('SIGCONT');
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThan(before + 1);
    const watches = events.flatMap((event) => (event.type === 'self.watch' ? [event] : []));
    expect(watches.every(({ process: name }) => name === 'gw1')).toBe(true);
    expect(Math.max(...watches.map(({ loopDelayMaxUs }) => loopDelayMaxUs))).toBeGreaterThan(500_000);
    // Stretch follows stretch.
    watches.slice(1).forEach(({ fromUs }, index) => expect(fromUs).toBe(watches[index]!.toUs));
  });

  it('takes no other child of conmon for the container’s process', async () => {
    const { pid } = await container('c0ffee');
    writeFileSync(join(dir, 'c0ffee'), '1');
    begin();
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(seen).toEqual([null]);
    writeFileSync(join(dir, 'c0ffee'), `${pid}`);
    await expect.poll(() => seen.at(-1)?.pid, { timeout: 10_000 }).toBe(pid);
    process.kill(pid, 'SIGKILL');
  });

  it('is opened again when the connection was lost', async () => {
    begin();
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([null]);
    streams[0]!.kill('SIGKILL');
    await expect.poll(() => streams.length, { timeout: 10_000 }).toBe(2);
    const { pid } = await container('c0ffee');
    await expect.poll(() => seen.at(-1)?.pid, { timeout: 10_000 }).toBe(pid);
    process.kill(pid, 'SIGKILL');
  });

  it('passes a shell as it is', () => {
    expect(watchCommand(fsid, service).endsWith(` ${fsid} ${service}`)).toBe(true);
  });
});
