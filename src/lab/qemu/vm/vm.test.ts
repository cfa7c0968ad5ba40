import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cpuArgument, parseForwardedPort, qemuArguments, type VmMachine } from './arguments.js';
import { ConsoleFollower, judgeConsoleLine, parseMilestone } from './console.js';
import { QmpClient, QmpError } from './qmp.js';
import { managementNetwork, roleArchive, type Role } from './role.js';
import { shellQuote } from './ssh.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-vm-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('qemuArguments', () => {
  const machine: VmMachine = {
    name: 'gw1', memoryMb: 512, cpus: 1, accel: 'tcg', qemuMajor: 7, managementMac: '52:54:00:00:f0:65', paused: false,
    networks: [{ name: 'a', mac: '52:54:00:00:fa:65', socketPath: '/d/a-gw1.sock' }],
    paths: { kernel: '/k', initramfs: '/i', rootfs: '/r', state: '/s', serialLog: '/l', qmpSocket: '/q' },
  };
  const joined = (change: Partial<VmMachine> = {}): string => qemuArguments({ ...machine, ...change }).join(' ');

  it('shares the image read-only, reaches the fabrics by the switch and the guest by a closed management network', () => {
    expect(joined()).toContain('node-name=root,read-only=on');
    expect(joined()).toContain('stream,id=net-a,server=off,addr.type=unix,addr.path=/d/a-gw1.sock');
    expect(joined()).toContain('user,id=mgmt,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22');
    expect(joined()).not.toContain(' -S');
    expect(joined({ paused: true })).toMatch(/ -S$/);
  });

  it('hides cmpxchg16b only from emulators that get it wrong', () => {
    expect(cpuArgument('tcg', 7)).toContain('-cx16');
    expect(cpuArgument('tcg', 10)).not.toContain('cx16');
    expect(cpuArgument('kvm', 7)).toBe('host');
    expect(joined({ accel: 'kvm' })).toContain('-accel kvm');
  });

  it('tells an emulated guest how fast its clock runs, if that is known, and no other guest', () => {
    expect(joined({ accel: 'tcg', tscKhz: 2_596_140 })).toMatch(/ tsc_early_khz=2596140 /);
    expect(joined({ accel: 'tcg' })).not.toContain('tsc_');
    expect(joined({ accel: 'kvm', tscKhz: 2_596_140 })).not.toContain('tsc_');
  });

  it('finds the forwarded port in what the monitor says', () => {
    const text = 'Hub -1 (mgmt):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  TCP[HOST_FORWARD]  14       127.0.0.1 36231       10.0.2.15    22     0     0\n';
    expect(parseForwardedPort(text)).toBe(36231);
    expect(parseForwardedPort('Hub -1 (mgmt):\n')).toBeUndefined();
  });
});

describe('console', () => {
  it.each([
    ['[   26.1] Kernel panic - not syncing: Fatal exception', 'panic'],
    ['[    3.2] BUG: unable to handle page fault for address: ffff', 'panic'],
    ['[    3.2] Oops: 0000 [#1] PREEMPT SMP', 'panic'],
    ['pathproof-fatal no disk /dev/vda', 'fatal'],
    ['[  99.1] Out of memory: Killed process 123 (ceph-osd)', 'oom'],
    ['[  50.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!', 'hang'],
    ['[ 242.0] INFO: task fio:311 blocked for more than 120 seconds.', 'hang'],
    ['[   1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:', 'hang'],
  ])('%s is a %s', (line, kind) => expect(judgeConsoleLine(line)).toEqual({ kind, line }));

  it.each(['[    1.0] evm: overlay not supported', 'modprobe foo failed', '[ 1.0] nvme nvme0: Connect Invalid Data Parameter', ''])('"%s" is nothing', (line) => {
    expect(judgeConsoleLine(line)).toBeUndefined();
  });

  it('reads milestones, also behind what the firmware left on the line', () => {
    expect(parseMilestone('\u001b[2Jpathproof-milestone root 3.47')).toEqual({ step: 'root', uptimeSeconds: 3.47 });
    expect(parseMilestone('pathproof-milestone root')).toBeUndefined();
  });

  it('follows a file that appears later, from an offset, in whole lines', () => {
    const file = join(dir, 'serial.log');
    const lines: string[] = [];
    const follower = new ConsoleFollower(file, 4, (line) => lines.push(line));
    follower.poll();
    writeFileSync(file, 'old\none\r\ntw');
    follower.poll();
    expect(lines).toEqual(['one']);
    appendFileSync(file, 'o\n\u001b[0mthree\n');
    follower.close();
    expect(lines).toEqual(['one', 'two', 'three']);
  });
});

describe('role', () => {
  const role: Role = {
    hostname: 'gw1', hosts: [{ address: '192.0.2.10', name: 'ceph' }], modules: ['nvmet'], files: [{ path: 'opt/x', text: 'y', mode: 0o700 }],
    networks: [managementNetwork('52:54:00:00:f0:65'), { name: 'fab-a', mac: '52:54:00:00:fa:65', addresses: ['192.0.2.101/24', '192.0.2.11/24'] }],
    keys: { userKeyFile: '/k', userPublic: 'ssh-ed25519 AAAA', hostKey: 'PRIVATE', hostPublic: 'ssh-ed25519 BBBB' },
  };
  it('has what the init needs, below the role folder', () => {
    const text = roleArchive(role).toString('latin1');
    expect(text).toContain('role/etc/pathproof/init');
    expect(text).toContain('fab-a 52:54:00:00:fa:65 192.0.2.101/24 192.0.2.11/24\n');
    expect(text).toContain('mgmt 52:54:00:00:f0:65 10.0.2.15/24\n');
    expect(text).toContain('192.0.2.10 ceph\n');
    expect(text).toContain('role/opt/x');
  });
});

describe('QmpClient', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  /** A monitor that answers by a table; `undefined` means it never answers. */
  async function monitor(answers: Record<string, unknown>): Promise<QmpClient> {
    const path = join(dir, 'qmp');
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
      socket.on('data', (data) => {
        for (const line of data.toString().split('\n').filter((l) => l !== '')) {
          const { execute, id } = JSON.parse(line) as { execute: string; id: number };
          const answer = execute === 'qmp_capabilities' ? { return: {} } : answers[execute];
          if (answer === 'hang up') socket.destroy();
          else if (answer !== undefined) socket.write(`{"event": "STOP", "timestamp": {}}\r\n${JSON.stringify({ ...(answer as object), id })}\r\n`);
        }
      });
    });
    await new Promise<void>((resolve) => server!.listen(path, resolve));
    return QmpClient.connect(path, 5_000);
  }

  it('executes, hands over events, and turns refusals into errors with their class', async () => {
    const client = await monitor({ stop: { return: {} }, cont: { error: { class: 'GenericError', desc: 'no' } } });
    const events: string[] = [];
    client.onEvent = (e) => events.push(e.event);
    expect(await client.execute('stop')).toEqual({});
    expect(events).toEqual(['STOP']);
    await expect(client.execute('cont')).rejects.toMatchObject({ name: 'QmpError', code: 'GenericError', message: 'no' });
    client.close();
  });

  it('fails what waits when QEMU goes', async () => {
    const client = await monitor({ quit: 'hang up' });
    await expect(client.execute('quit')).rejects.toMatchObject({ code: 'QMP_GONE' });
    await client.closed;
    await expect(client.execute('stop')).rejects.toMatchObject({ code: 'QMP_GONE' });
  });

  it('fails with the error of a job that failed', async () => {
    // The connection's first command has id 1; the job is named by the next one.
    const client = await monitor({ 'snapshot-save': { return: {} }, 'query-jobs': { return: [{ id: 'pathproof-2', status: 'concluded', error: 'no space' }] }, 'job-dismiss': { return: {} } });
    await expect(client.job('snapshot-save', { tag: 't', vmstate: 's', devices: ['s'] }, 5_000)).rejects.toBeInstanceOf(QmpError);
    client.close();
  });

  it('gives up where nobody listens', async () => {
    await expect(QmpClient.connect(join(dir, 'none'), 50)).rejects.toMatchObject({ code: 'QMP_CONNECT' });
  });
});

it('shellQuote survives a shell', () => {
  expect(shellQuote("it's $HOME")).toBe(`'it'\\''s $HOME'`);
});
