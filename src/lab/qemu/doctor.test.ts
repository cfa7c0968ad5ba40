import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decideKvm, probeFirmware } from './accel.js';
import { cacheDir } from './cache.js';
import { examineLoopbackLab, judgeProgram, kvmSentence, summarize } from './doctor.js';
import { endProcess, identityOf } from './processes.js';
import { findProgram, runTool } from './tools.js';

let dir: string;
const before = process.env['XDG_CACHE_HOME'];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-doctor-'));
  process.env['XDG_CACHE_HOME'] = dir;
});
afterEach(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  rmSync(dir, { recursive: true, force: true });
});

describe('doctor', () => {
  const needed = { program: 'sqfstar', package: 'squashfs-tools', why: 'packs the image' };
  it('names each missing package once, with the command that installs them', () => {
    const report = summarize('qemu', [judgeProgram(needed, undefined), judgeProgram({ ...needed, program: 'x' }, undefined), judgeProgram({ program: 'ssh', package: 'openssh-client', why: '' }, undefined), judgeProgram(needed, '/usr/bin/sqfstar')], null);
    expect(report).toMatchObject({ ready: false, packages: ['openssh-client', 'squashfs-tools'], installCommand: 'apt-get install -y --no-install-recommends openssh-client squashfs-tools' });
  });
  it('is ready with notes, and has then nothing to install', () => {
    const report = summarize('qemu', [judgeProgram(needed, '/usr/bin/sqfstar'), { what: 'KVM', state: 'note', detail: 'x' }], null);
    expect(report).toMatchObject({ ready: true, packages: [], installCommand: null });
  });
  it('cannot fix what no package brings', () => {
    expect(summarize('qemu', [{ what: 'memory', state: 'missing', detail: '1 GB' }], null)).toMatchObject({ ready: false, installCommand: null });
  });
  it('finds the loopback lab ready wherever these tests run', () => expect(examineLoopbackLab().ready).toBe(true));
  it('says what is used', () => {
    expect(kvmSentence({ kvm: 'unusable', why: 'there is no /dev/kvm', probeMs: 0 })).toBe('not used, software emulation instead: there is no /dev/kvm');
    expect(kvmSentence({ kvm: 'usable', why: 'the kernel booted', probeMs: 900 })).toContain('used');
    expect(kvmSentence(null)).toContain('emulation');
  });
});

describe('KVM probe', () => {
  it('uses a firmware whose reset vector writes the debug-exit value', () => {
    const image = probeFirmware();
    expect(image).toHaveLength(65_536);
    expect(image.subarray(0xfff0, 0xfff8).toString('hex')).toBe('baf400b010eefaf4');
  });
  it('comes to an answer within its limits, and to the same one again at once', async () => {
    const first = await decideKvm();
    expect(first.probeMs).toBeLessThan(10_000);
    expect(await decideKvm()).toMatchObject({ kvm: first.kvm, why: first.why });
    expect(cacheDir()).toBe(join(dir, 'pathproof'));
  });
});

describe('tools', () => {
  it('resolve to the output, and fail with what the program said', async () => {
    expect((await runTool('cat', [], { input: 'abc' })).toString()).toBe('abc');
    await expect(runTool('sh', ['-c', 'echo because >&2; exit 3'])).rejects.toMatchObject({ code: 'TOOL_FAILED', exitCode: 3, details: ['because'] });
    await expect(runTool('no-such-program', [])).rejects.toMatchObject({ code: 'TOOL_MISSING' });
    await expect(runTool('sleep', ['20'], { timeoutMs: 50 })).rejects.toMatchObject({ message: expect.stringContaining('did not end within') as string });
    expect(findProgram('no-such-program')).toBeUndefined();
  });
});

describe('processes', () => {
  it('are ended by pid and start time, never by pid alone', async () => {
    const child = spawn('sleep', ['100'], { stdio: 'ignore' });
    const identity = await identityOf('sleeper', child);
    await endProcess({ ...identity, startTime: 'another' }, { termMs: 100 });
    expect(child.exitCode).toBeNull();
    expect(child.signalCode).toBeNull();
    const exited = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    await endProcess(identity, { termMs: 5_000 });
    expect(await exited).toBe('SIGTERM');
  });
  it('that cannot be started are infra errors', async () => {
    await expect(identityOf('nothing', spawn('/no/such/program'))).rejects.toMatchObject({ code: 'PROCESS_SPAWN', exitCode: 3 });
  });
});
