import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpdkTarget } from './target.js';

/** setpriv(1) is util-linux's. */
const here = process.platform === 'linux' && existsSync('/usr/bin/setpriv');
if (!here) console.log('skipped: SPDK runs on Linux, with setpriv');

/** Stands in for nvmf_tgt: says what it was told, opens its socket late, and answers. */
const standIn = `
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
const words = process.argv.slice(2);
console.log('Starting SPDK ' + words.join(' '));
if (words.includes('--fail')) { console.error('EAL: Cannot get hugepage information.'); process.exit(1); }
const path = words[words.indexOf('--rpc-socket') + 1];
const server = createServer((socket) => socket.on('data', (data) => {
  const { id, method } = JSON.parse(data);
  socket.write(JSON.stringify({ jsonrpc: '2.0', id, result: method === 'spdk_get_version' ? { version: 'SPDK v0 stand-in' } : true }));
}));
process.on('SIGTERM', () => words.includes('--deaf') || process.exit(7));
if (!words.includes('--mute')) setTimeout(() => { rmSync(path, { force: true }); server.listen(path); }, 120);
else setInterval(() => undefined, 1000);
writeFileSync(path + '.pid', String(process.pid));
`;

describe.skipIf(!here)('SPDK’s target', () => {
  let dir: string;
  let program: string;
  let said: string[];
  let running: SpdkTarget[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pptgt-'));
    program = join(dir, 'nvmf_tgt');
    writeFileSync(join(dir, 'stand-in.mjs'), standIn);
    writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${join(dir, 'stand-in.mjs')} "$@"\n`);
    chmodSync(program, 0o755);
    said = [];
    running = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((target) => target.kill()));
    rmSync(dir, { recursive: true });
  });
  const start = async (args: string[], startMaxMs?: number): Promise<SpdkTarget> => {
    const target = await SpdkTarget.start({ program, args, dir, log: (line) => said.push(line), ...(startMaxMs === undefined ? {} : { startMaxMs }) });
    running.push(target);
    return target;
  };
  const gone = (pid: number): boolean => !existsSync(`/proc/${pid}`) || / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

  it('is up when it answers, with its own options and without a PCI device', async () => {
    const target = await start(['--cpumask', '0x1']);
    expect(target.version).toBe('SPDK v0 stand-in');
    expect(said[0]).toBe(`SPDK: Starting SPDK --cpumask 0x1 --no-pci --rpc-socket ${dir}/spdk.sock`);
    const pid = target.pid!;
    await target.kill();
    expect(await target.ended).toBe('SPDK ended with SIGKILL');
    expect(target.pid).toBeUndefined();
    expect(gone(pid)).toBe(true);
  });

  it('ends in good order when it is asked to, or is killed after its time', async () => {
    const target = await start([]);
    await target.stop(5_000);
    expect(await target.ended).toBe('SPDK ended with exit code 7');
    const deaf = await start(['--deaf']);
    await deaf.stop(200);
    expect(await deaf.ended).toBe('SPDK ended with SIGKILL');
  });

  it('that ends at once is told of with what it said', async () => {
    await expect(start(['--fail'])).rejects.toMatchObject({ code: 'SPDK_START', message: `${program}: SPDK ended with exit code 1`, hint: expect.stringMatching(/hugepages/) as string, details: expect.arrayContaining(['EAL: Cannot get hugepage information.']) as string[] });
  });

  it('that never answers, or is not there, is given up and leaves nothing', async () => {
    await expect(start(['--mute'], 600)).rejects.toMatchObject({ code: 'SPDK_START', message: expect.stringMatching(/does not answer after 0\.6 s/) as string });
    expect(gone(Number(readFileSync(join(dir, 'spdk.sock.pid'), 'utf8')))).toBe(true);
    program = join(dir, 'nothing');
    await expect(start([])).rejects.toMatchObject({ code: 'SPDK_START' });
  });

  it('dies with the process that has started it, however that ends', async () => {
    const script = `import { SpdkTarget } from ${JSON.stringify(new URL('./target.ts', import.meta.url).href)};
const target = await SpdkTarget.start({ program: ${JSON.stringify(program)}, args: [], dir: ${JSON.stringify(dir)}, log: () => undefined });
console.log(target.pid);
setInterval(() => undefined, 1000);`;
    writeFileSync(join(dir, 'owner.mts'), script);
    const owner = spawn(process.execPath, ['--import', 'tsx', join(dir, 'owner.mts')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => owner.stdout.once('data', (data) => resolve(Number(String(data)))));
    expect(gone(pid)).toBe(false);
    owner.kill('SIGKILL');
    await expect.poll(() => gone(pid), { timeout: 5_000 }).toBe(true);
  });
});
