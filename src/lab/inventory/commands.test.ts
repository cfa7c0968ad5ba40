import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cutLink, keepParameters, loadModules, removeGateway, removeHost, tableOf, zeroNamespace } from './commands.js';
import { parseInventory } from './file.js';
import { exampleInventory } from './testing/example.js';

const nqn = 'nqn.2026-01.io.pathproof:abc';

/** The commands in a folder that stands for a host's root, with programs that say what they were called with. */
describe('commands on a host', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ppcmd-'));
    for (const dir of ['bin', 'run', 'sys/module/nvme_core/parameters', 'sys/class/nvme', 'var/tmp', 'etc/pathproof']) mkdirSync(join(root, dir), { recursive: true });
    for (const name of ['modprobe', 'nvme', 'nft', 'systemctl']) program(name, `echo ${name} "$@" >>${root}/calls`);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function program(name: string, text: string): void {
    writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(root, 'bin', name), 0o755);
  }

  /** On the stand-in of a host. Processes stay the real ones. */
  function run(command: string): { code: number | null; said: string } {
    const there = command.replaceAll(/(?<=[\s>"{<]|^)\/(?=run|sys|usr|var|etc)/gm, `${root}/`);
    const { status, stderr } = spawnSync('sh', ['-c', there], { env: { PATH: `${root}/bin:${process.env['PATH']}` }, encoding: 'utf8', timeout: 60_000 });
    return { code: status, said: stderr };
  }
  const calls = (): string[] => (existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trimEnd().split('\n') : []);
  const put = (path: string, text = ''): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  it('zero the namespace that has the uuid, and nothing where there is none', () => {
    program('blkdiscard', `echo blkdiscard "$@" >>${root}/calls`);
    put('sys/block/nvme0n1/uuid', 'u-1\n');
    put('sys/block/nvme0c0n2/uuid', 'u-2\n');
    put('sys/block/nvme0n2/uuid', 'u-2\n');
    put('dev/nvme0n2');
    // No device of a path, which the head hides.
    const zero = (uuid: string): ReturnType<typeof run> => run(zeroNamespace(uuid, 8192).replace('[ -b ', '[ -e ').replaceAll('/dev/$', `${root}/dev/$`));
    expect(zero('u-2')).toMatchObject({ code: 0 });
    expect(calls()).toEqual([`blkdiscard --zeroout --offset 0 --length 8192 ${root}/dev/nvme0n2`]);
    expect(zero('u-1')).toEqual({ code: 1, said: 'no block device has the uuid u-1\n' });
    expect(zero('u-3')).toMatchObject({ code: 1 });
    expect(calls()).toHaveLength(1);
  });

  it('unload the modules that they have loaded, in reverse, and no others', () => {
    mkdirSync(join(root, 'sys/module/nvmet'));
    const { command, undo } = loadModules('gateway');
    expect(run(command).code).toBe(0);
    // A killed run is repeated: what it had loaded is there now.
    expect(calls().at(-1)).toMatch(/^modprobe -a configfs nvmet /);
    expect(run(undo).code).toBe(0);
    const unloaded = calls().slice(1).map((call) => call.replace('modprobe -r ', ''));
    expect(unloaded).not.toContain('nvmet');
    expect(unloaded.indexOf('nvmet-tcp')).toBeLessThan(unloaded.indexOf('configfs'));
    const before = calls().length;
    expect(run(undo).code).toBe(0);
    expect(calls()).toHaveLength(before);
  });

  it('set parameters back to what they were before the first run that changed them', () => {
    const folder = 'sys/module/nvme_core/parameters';
    for (const [name, value] of [['io_timeout', '30'], ['admin_timeout', '60'], ['iopolicy', 'numa']] as const) put(`${folder}/${name}`, `${value}\n`);
    const { command, undo } = keepParameters();
    expect(run(command).code).toBe(0);
    put(`${folder}/iopolicy`, 'round-robin\n');
    put(`${folder}/io_timeout`, '15\n');
    expect(run(command).code).toBe(0);
    expect(run(undo).code).toBe(0);
    expect(readFileSync(join(root, folder, 'iopolicy'), 'utf8')).toBe('numa\n');
    expect(readFileSync(join(root, folder, 'io_timeout'), 'utf8')).toBe('30\n');
    put(`${folder}/iopolicy`, 'queue-depth\n');
    expect(run(undo).code).toBe(0);
    expect(readFileSync(join(root, folder, 'iopolicy'), 'utf8')).toBe('queue-depth\n');
  });

  it('remove a gateway: its process ends, its supervisor cleans up, its files go, others’ stay', async () => {
    put('usr/local/lib/pathproof/gateway.mjs');
    put('etc/pathproof/gw1.json', '{}');
    put('etc/pathproof/sshd_config', 'not ours');
    put('run/pathproof/gw1.lock');
    // As its supervisor does: it waits for the process, and says when all is clean.
    const supervisor = spawn('sh', ['-c', `cd ${root}/run/pathproof; sleep 60 & echo $! >gw1.pid; wait $!; rm -f gw1.pid; : >gw1.clean`], { stdio: 'ignore' });
    const ended = new Promise((resolve) => supervisor.once('exit', resolve));
    execFileSync('sleep', ['0.3']);
    expect(run(removeGateway('gw1'))).toEqual({ code: 0, said: '' });
    await ended;
    for (const path of ['usr/local/lib/pathproof', 'run/pathproof', 'etc/pathproof/gw1.json']) expect(existsSync(join(root, path)), path).toBe(false);
    expect(readFileSync(join(root, 'etc/pathproof/sshd_config'), 'utf8')).toBe('not ours');
    expect(run(removeGateway('gw1'))).toEqual({ code: 0, said: '' });
  });

  it('say so when the kernel still has what a gateway exported, and leave its files', () => {
    put('run/pathproof/gw1.lock');
    const { code, said } = run(removeGateway('gw1').replace('seq 0 1200', 'seq 0 3'));
    expect(code).toBe(1);
    expect(said).toMatch(/what gw1 exported is still there/);
    expect(existsSync(join(root, 'run/pathproof/gw1.lock'))).toBe(true);
  });

  it('remove a host’s program and connections, and say so when a connection is left', () => {
    program('pgrep', 'exit 1');
    put('usr/local/lib/pathproof/host.mjs');
    put('var/tmp/pathproof-fio-abc/job.fio');
    expect(run(removeHost('host1', nqn))).toEqual({ code: 0, said: '' });
    expect(calls()).toEqual([`nvme disconnect -n ${nqn}`]);
    for (const path of ['usr/local/lib/pathproof', 'var/tmp/pathproof-fio-abc']) expect(existsSync(join(root, path)), path).toBe(false);
    put('sys/class/nvme/nvme0/subsysnqn', 'nqn.somebody-else\n');
    expect(run(removeHost('host1', nqn)).code).toBe(0);
    put('sys/class/nvme/nvme1/subsysnqn', `${nqn}\n`);
    expect(run(removeHost('host1', nqn))).toEqual({ code: 1, said: `still connected to ${nqn}\n` });
  });

  it('cut a link for a while only, and heal it', () => {
    const inventory = parseInventory(exampleInventory, 'i.yaml');
    const { command, undo, host } = cutLink(inventory, 'gw1-store', 'both');
    program('nft', `echo nft "$@" >>${root}/calls; case "$1" in -f) cat >>${root}/rules ;; list) exit 1 ;; esac`);
    expect(host).toBe('gw1');
    expect(run(command.replaceAll('900', '1')).code).toBe(0);
    const rules = readFileSync(join(root, 'rules'), 'utf8');
    expect(rules).toMatch(/^table inet pathproof_gw1_store \{/);
    expect(rules).toMatch(/hook output[^}]*tcp sport 22 accept\n\s+ip daddr \{ 192\.0\.2\.31 \} counter drop/);
    expect(rules).toMatch(/hook input[^}]*tcp dport 22 accept\n\s+ip saddr \{ 192\.0\.2\.31 \} counter drop/);
    execFileSync('sleep', ['3']);
    // Nobody healed it: the host itself did.
    expect(calls().at(-1)).toBe(`nft delete table inet ${tableOf('gw1-store')}`);
    expect(run(undo).code).toBe(0);
  });

  it('do not take a link for healed that is still cut', () => {
    program('nft', 'exit 0');
    expect(run(cutLink(parseInventory(exampleInventory, 'i.yaml'), 'gw1-monitor', 'both').undo)).toEqual({ code: 1, said: 'nft table pathproof_gw1_monitor is still there\n' });
  });

  it('know no link that the inventory has not', () => {
    const inventory = parseInventory(exampleInventory, 'i.yaml');
    expect(() => cutLink(inventory, 'gw9-store', 'both')).toThrow(/no host gw9/);
    expect(() => cutLink(inventory, 'monitor-store', 'both')).toThrow(/no link is named monitor-store/);
  });
});
