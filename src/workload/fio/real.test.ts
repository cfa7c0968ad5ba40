import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync, readSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLog } from 'fio-parser';
import { fioDir, openFioSource, readFioProcess, readFioState } from '../../history/fio/index.js';
import type { FioJobInput } from '../../plan/fio.js';
import { nowUs, sleep } from '../../util/clock.js';
import { buildPhase } from './build.js';
import { detectCapabilities } from './capabilities.js';
import { LocalFioRunner } from './local-runner.js';
import type { FioRunner } from './runner.js';
import { FioBench, fioBinary, fioTitle, hasFio, testJobs, testTopology } from './testing/fixture.js';
import { FioWorkload } from './workload.js';

/** fio on this machine does its first I/O within a second, and says so two seconds later. */
const startLimitMs = 15_000;

/** Flips one bit of a block's payload, as a store that loses its mind would. */
function corrupt(file: string, offset: number): void {
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset + 2_000);
  byte[0]! ^= 0x10;
  writeSync(fd, byte, 0, 1, offset + 2_000);
  closeSync(fd);
}

describe.skipIf(!hasFio)(`the fio workload with the real fio on files ${fioTitle}`, { timeout: 60_000 }, () => {
  let bench: FioBench;
  beforeEach(() => {
    bench = new FioBench();
    for (const { nsid, blocks, blockSize } of testTopology().namespaces) writeFileSync(bench.device(nsid), Buffer.alloc(blocks * blockSize));
  });
  afterEach(() => bench.remove());

  const workload = (inputs: FioJobInput[], runner: FioRunner = new LocalFioRunner(bench.nodeDir), binary = fioBinary): FioWorkload =>
    new FioWorkload({ host: 'host1', jobs: testJobs(inputs), runner, device: (nsid) => Promise.resolve(bench.device(nsid)), runDir: bench.runDir, emit: bench.emit, binary });
  const ended = (phase: string) => bench.of('fio.process').find((event) => event.state === 'ended' && event.phase === phase)!;
  const reading = async (phase: 'prefill' | 'main' | 'verify', job = 'mix') => {
    const { exitCode = null, signal = null } = ended(phase);
    return readFioProcess(openFioSource(bench.runDir), { host: 'host1', job, phase }, { code: exitCode, signal });
  };

  it('runs all phases, reports progress, and leaves every artifact', async () => {
    const fio = workload([{ name: 'mix', rateIops: 400, blockBytes: 4_096 }]);
    await fio.prepare(20_000);
    const fromUs = nowUs();
    expect(await fio.start(startLimitMs)).toBe(true);
    await sleep(2_600);
    await fio.finish(1_000);
    await fio.stop();
    const toUs = nowUs();
    expect(await fio.verify(20_000)).toBe(true);

    // Progress while it ran, with rates that are near what the job may do.
    const stats = bench.of('fio.stats').filter(({ phase }) => phase === 'main');
    expect(stats.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...stats.map(({ writeIops }) => writeIops))).toBeGreaterThan(100);

    // Stopped on request, and that is no error; the report is the final one.
    expect(ended('main')).toMatchObject({ endedBy: 'stop', exitCode: 128 });
    expect(await reading('main')).toMatchObject({ meaning: 'interrupted', complete: true, ioErrors: 0, verifyErrors: 0, problems: [] });
    const verified = await reading('verify');
    expect(verified).toMatchObject({ meaning: 'ok', complete: true, verifyErrors: 0, problems: [] });
    expect(verified.bytesRead).toBe(2 * 7 * 1_048_576);
    expect(verified.jobs.map(({ name }) => name)).toEqual(['ns1', 'ns2']);

    // The log of each namespace, on the harness's clock: every completion lies between start and stop.
    const anchor = bench.of('fio.clock').filter(({ phase }) => phase === 'main').at(-1)!;
    const dir = fioDir({ host: 'host1', job: 'mix', phase: 'main' });
    for (const number of [1, 2]) {
      const times: number[] = [];
      const log = readLog(join(bench.runDir, dir, `io_lat.${number}.log.gz`));
      for await (const { timeMs } of log) times.push(timeMs * 1_000 + anchor.zeroUs);
      expect(times.length).toBeGreaterThan(300);
      expect(Math.min(...times)).toBeGreaterThan(fromUs - anchor.zeroErrUs);
      expect(Math.max(...times)).toBeLessThan(toUs + anchor.zeroErrUs);
    }
    expect(await readFioState(openFioSource(bench.runDir), { host: 'host1', job: 'mix', phase: 'main' }, 'ns2', 1)).toMatchObject({ jobName: 'ns2', index: 1 });
    expect(await readFioState(openFioSource(bench.runDir), { host: 'host1', job: 'mix', phase: 'main' }, 'ns9', 8)).toMatch(/is not there/);
    expect(readFileSync(join(bench.runDir, dir, 'command.txt'), 'utf8')).toMatch(/--output-format=json\+/);
    // Nothing is left on the node.
    expect(readdirSync(bench.nodeDir)).toEqual([]);
  });

  it('a bit that flips after the write is found by the verify phase, every block of it, though fio says 0', async () => {
    const fio = workload([{ name: 'mix', namespaces: [1], passes: 1, mode: 'randwrite' }]);
    await fio.prepare(20_000);
    expect(await fio.start(startLimitMs)).toBe(true);
    await fio.finish(20_000);
    await fio.stop();
    expect(await reading('main')).toMatchObject({ meaning: 'ok', verifyErrors: 0 });
    for (const block of [3, 4, 700]) corrupt(bench.device(1), 1_048_576 + block * 4_096);
    await fio.verify(20_000);
    const { meaning, verifyErrors, verifyFaults } = await reading('verify');
    expect({ exit: ended('verify').exitCode, meaning, verifyErrors }).toEqual({ exit: 0, meaning: 'errors-tolerated', verifyErrors: 3 });
    expect(verifyFaults.map(({ offset }) => offset)).toEqual([3, 4, 700].map((block) => 1_048_576 + block * 4_096));
    // The blocks themselves were kept, as they are and as they should be.
    expect(readdirSync(join(bench.runDir, 'fio/host1/mix/verify')).filter((name) => name.endsWith('.received'))).toHaveLength(3);
  });

  it('a corrupt block ends the main phase at once, with its evidence', async () => {
    const fio = workload([{ name: 'mix', namespaces: [1], mode: 'randwrite', rateIops: 2_000, verify: { backlogBlocks: 64 } }]);
    await fio.prepare(20_000);
    expect(await fio.start(startLimitMs)).toBe(true);
    const vandal = setInterval(() => {
      for (let n = 0; n < 60; n++) corrupt(bench.device(1), 1_048_576 + Math.floor(Math.random() * 1_792) * 4_096);
    }, 5);
    for (let waited = 0; waited < 10_000 && ended('main') === undefined; waited += 50) await sleep(50);
    clearInterval(vandal);
    await fio.finish(1_000);
    await fio.stop();
    expect(ended('main')).toMatchObject({ exitCode: 1, endedBy: 'itself' });
    const { verifyErrors, verifyFaults } = await reading('main');
    expect(verifyErrors).toBeGreaterThan(0);
    expect(verifyFaults.length).toBeGreaterThan(0);
  });

  it('a block that holds an older write, sound in itself, ends the main phase, too', async () => {
    const fio = workload([{ name: 'mix', namespaces: [1], rateIops: 2_000, verify: { backlogBlocks: 64 } }]);
    await fio.prepare(20_000);
    const old = readFileSync(bench.device(1));
    expect(await fio.start(startLimitMs)).toBe(true);
    const fd = openSync(bench.device(1), 'r+');
    // A store that loses writes: what was there before is there again.
    const vandal = setInterval(() => {
      for (let n = 0; n < 60; n++) {
        const at = 1_048_576 + Math.floor(Math.random() * 1_792) * 4_096;
        writeSync(fd, old, at, 4_096, at);
      }
    }, 5);
    for (let waited = 0; waited < 10_000 && ended('main') === undefined; waited += 50) await sleep(50);
    clearInterval(vandal);
    closeSync(fd);
    await fio.finish(1_000);
    await fio.stop();
    expect(ended('main')).toMatchObject({ exitCode: 1, endedBy: 'itself' });
    expect((await reading('main')).verifyFaults[0]!.text).toMatch(/bad header (numberio|rand_seed)/);
    // Afterwards nobody can tell: each block is sound.
    await fio.verify(20_000);
    expect(await reading('verify')).toMatchObject({ verifyErrors: 0 });
  });

  it('a write that fails ends the job, and is told from a corrupt block', async () => {
    // The file cannot grow over 4 MiB for this fio, whose region reaches to 8 MiB.
    writeFileSync(bench.device(1), '');
    const limited = join(bench.root, 'limited-fio');
    writeFileSync(limited, `#!/bin/bash\ntrap '' XFSZ\nulimit -f 4096\nexec ${fioBinary} "$@"\n`, { mode: 0o755 });
    const fio = workload([{ name: 'mix', namespaces: [1], mode: 'write', verify: false, runtimeMs: 2_000, engine: 'psync', options: { fallocate: 'none' } }], undefined, limited);
    await fio.prepare(20_000);
    expect(await fio.start(startLimitMs)).toBe(true);
    await fio.finish(1_000);
    await fio.stop();
    const { ioErrors, ioFaults, verifyErrors } = await reading('main');
    expect({ exit: ended('main').exitCode, verifyErrors }).toEqual({ exit: 1, verifyErrors: 0 });
    expect(ioErrors).toBeGreaterThan(0);
    expect(ioFaults[0]).toMatchObject({ direction: 'write', offset: 4 * 1_048_576 });
  });

  // Found by a run of partition-both: namespace 2 stood still from the end of its pass until namespace 1's I/O came back.
  it.each([
    ['a namespace that hangs does not hold the others up', (args: string[]) => args, false],
    ['with status-interval it would', (args: string[]) => [...args.filter((arg) => !arg.startsWith('--eta')), '--status-interval=1'], true],
  ])('%s', async (_title, change, isHeldUp) => {
    const [job] = testJobs([{ name: 'mix', namespaces: [1, 2], mode: 'randwrite', engine: 'psync', sizeMiB: 1, blockBytes: 65_536, rateIops: 20, runtimeMs: 8_000, verify: { backlogBlocks: 16 } }]);
    const fio = detectCapabilities(spawnSync(fioBinary, ['--version'], { encoding: 'utf8' }).stdout, spawnSync(fioBinary, ['--cmdhelp=all'], { encoding: 'utf8' }).stdout);
    const { args, jobFile } = buildPhase(job!, 'main', new Map([1, 2].map((nsid) => [nsid, bench.device(nsid)])), fio);
    // Jobs as processes: one of them can be stopped, as I/O that hangs would stop it.
    writeFileSync(join(bench.nodeDir, 'job.fio'), jobFile.replace('thread=1\n', ''));
    const main = spawn(fioBinary, change(args), { cwd: bench.nodeDir, stdio: 'ignore' });
    const ended = once(main, 'exit');
    try {
      await sleep(2_500);
      const [hanging] = readFileSync(`/proc/${main.pid!}/task/${main.pid!}/children`, 'utf8').trim().split(' ').map(Number);
      process.kill(hanging!, 'SIGSTOP');
      await sleep(4_000);
      process.kill(hanging!, 'SIGCONT');
      expect(await ended).toEqual([0, null]);
    } finally {
      main.kill('SIGKILL');
    }
    const longest: number[] = [];
    for (const number of [1, 2]) {
      let lastMs: number | undefined;
      let gapMs = 0;
      for await (const { timeMs } of readLog(join(bench.nodeDir, `io_lat.${number}.log`))) {
        gapMs = Math.max(gapMs, timeMs - (lastMs ?? timeMs));
        lastMs = timeMs;
      }
      longest.push(gapMs);
    }
    expect(longest[0]).toBeGreaterThan(3_500);
    expect(longest[1]! > 2_000, `gaps ${longest.join(', ')} ms`).toBe(isHeldUp);
  });

  it('is gone when it is killed with the run; its progress until then is on record', async () => {
    const fio = workload([{ name: 'mix', rateIops: 300 }]);
    await fio.prepare(20_000);
    expect(await fio.start(startLimitMs)).toBe(true);
    await sleep(1_600);
    await fio.kill();
    expect(ended('main')).toMatchObject({ endedBy: 'kill', exitCode: null, signal: 'SIGKILL' });
    expect(await reading('main')).toMatchObject({ meaning: 'killed', complete: false });
    expect(Math.max(...bench.of('fio.stats').filter(({ phase }) => phase === 'main').map(({ writeIops }) => writeIops))).toBeGreaterThan(0);
    expect(await fio.verify(1_000)).toBe(true);
    expect(bench.of('fio.process').filter(({ phase }) => phase === 'verify')).toEqual([]);
  });

  it('is started when it does I/O; one that does none goes on, and is said to be late', async () => {
    const fio = workload([{ name: 'mix', namespaces: [1], rateIops: 300 }, { name: 'idle', namespaces: [2], verify: false, options: { startdelay: '30' } }]);
    await fio.prepare(20_000);
    expect(await fio.start(6_000)).toBe(false);
    const { readIops, writeIops } = bench.of('fio.stats').findLast(({ job, phase }) => job === 'mix' && phase === 'main')!;
    expect(readIops + writeIops).toBeGreaterThan(0);
    expect(bench.of('fio.process').filter(({ phase, state }) => phase === 'main' && state === 'ended')).toEqual([]);
    await fio.kill();
  });

  it('a job for a time and one for a number of passes end by themselves, verified', async () => {
    const fio = workload([{ name: 'timed', namespaces: [1], runtimeMs: 1_200, mode: 'randwrite', rateIops: 500 }, { name: 'twice', namespaces: [2], passes: 2, mode: 'write', blockBytes: 8_192 }]);
    await fio.prepare(20_000);
    expect(await fio.start(startLimitMs)).toBe(true);
    await fio.finish(20_000);
    await fio.stop();
    expect(bench.of('fio.process').filter(({ phase, state }) => phase === 'main' && state === 'ended').map(({ job, exitCode, endedBy }) => [job, exitCode, endedBy]).sort()).toEqual([['timed', 0, 'itself'], ['twice', 0, 'itself']]);
    const twice = await reading('main', 'twice');
    expect([twice.bytesWritten, twice.bytesRead]).toEqual([2 * 7 * 1_048_576, 2 * 7 * 1_048_576]);
    await fio.verify(20_000);
    expect(bench.of('fio.result').filter(({ phase }) => phase === 'verify').map(({ meaning }) => meaning)).toEqual(['ok', 'ok']);
  });

  it('says that there is no fio, and that an option is wrong, before anything runs', async () => {
    await expect(workload([{ name: 'mix' }], undefined, '/nonexistent/fio').prepare(1_000)).rejects.toThrow(expect.objectContaining({ code: 'NO_FIO', exitCode: 3 }));
    await expect(workload([{ name: 'mix', options: { bogus: 1 } }]).prepare(1_000)).rejects.toThrow(/has no option bogus/);
    expect(bench.of('fio.process')).toEqual([]);
  });
});
