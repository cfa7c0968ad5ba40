import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { JournalWriter, journalFileName, openJournalSource, writerShift } from '../../history/index.js';
import type { JournalRecord } from '../../history/index.js';
import { useTempDirs } from '../../history/testing/temp-dir.js';
import type { StampWorkload } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import type { IoStatsEvent } from '../io-stats.js';
import { MemoryDevice } from '../testing/memory-device.js';
import type { RereadEvent } from './reread.js';
import { journalHeaderOf, StampRunner } from './runner.js';
import type { StampRunnerOptions } from './runner.js';

const tempDir = useTempDirs();
const uuids = ['0f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f', '1f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f'] as const;
const workload: StampWorkload = {
  kind: 'stamp', queueDepth: 8, readPercent: 50, ioBytes: [512, 1024, 4096], workingSetBlocks: 64,
  maxIops: 0, idleNamespaces: 0, probePeriodMs: 5, delayedRereadMs: 0,
};
type Invoke = Extract<JournalRecord, { kind: 'invoke' }>;
type Complete = Extract<JournalRecord, { kind: 'complete' }>;

interface Bench {
  runner: StampRunner;
  journal: JournalWriter;
  devices: MemoryDevice[];
  stats: IoStatsEvent[];
  rereads: RereadEvent[];
  /** Closes runner and journal and reads the latter. */
  finish(): Promise<{ invokes: Invoke[]; completes: Map<number, Complete>; problems: string[] }>;
}

function bench(changes: Partial<StampWorkload> = {}, options: Partial<StampRunnerOptions> & { openJournal?: (dir: string) => JournalWriter } = {}): Bench {
  const dir = tempDir();
  const devices = uuids.map((uuid, i) => new MemoryDevice({ uuid, nsid: i + 1 }));
  const journal = options.openJournal?.(dir) ?? JournalWriter.open(path.join(dir, journalFileName('host1')), journalHeaderOf('run-1', 'host1', 2, devices));
  const stats: IoStatsEvent[] = [];
  const rereads: RereadEvent[] = [];
  const runner = new StampRunner({
    host: 'host1', runId: 'run-1', seed: 'seed', writer: 2, workload: { ...workload, ...changes }, devices, journal,
    onStats: (event) => stats.push(event), onReread: (event) => rereads.push(event), ...options,
  });
  return {
    runner, journal, devices, stats, rereads,
    async finish() {
      await runner.close();
      journal.close();
      const source = openJournalSource(dir);
      const invokes: Invoke[] = [];
      const completes = new Map<number, Complete>();
      for (const header of await source.headers()) {
        for await (const chunk of source.records(header)) {
          for (const record of chunk) {
            if (record.kind === 'invoke') invokes.push(record);
            else completes.set(record.op, record);
          }
        }
      }
      return { invokes, completes, problems: source.problems() };
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}
const ended = (b: Bench): number => b.runner.stats().reduce((sum, { reads, writes }) => sum + reads + writes, 0);

describe('StampRunner', () => {
  it('journals every operation that reaches a device, with what it read', async () => {
    const b = bench();
    await b.runner.start();
    await until(() => ended(b) > 2_000);
    await b.runner.stop();
    expect(b.runner.stats().every(({ inflight }) => inflight === 0)).toBe(true);
    const { invokes, completes, problems } = await b.finish();
    expect(problems).toEqual([]);
    expect(invokes.length).toBe(b.devices.reduce((sum, device) => sum + device.seen.length, 0));
    expect(completes.size).toBe(invokes.length);
    expect(new Set(invokes.map(({ op }) => op)).size).toBe(invokes.length);

    // What was last written where no operation was outstanding at the end is what the journal says.
    const versions = invokes.filter(({ what }) => what === 'write').map(({ version }) => version);
    expect(new Set(versions).size).toBe(versions.length);
    expect(versions.every((version) => Math.floor(version / writerShift) === 2)).toBe(true);
    for (const invoke of invokes) {
      const { outcome, blocks, tUs } = completes.get(invoke.op)!;
      expect(outcome).toBe('ok');
      expect(tUs).toBeGreaterThanOrEqual(invoke.tUs);
      expect(blocks).toHaveLength(invoke.what === 'read' ? invoke.nlb : 0);
      expect(blocks.every((seen) => seen.kind === 'version' && (seen.version === 0 || versions.includes(seen.version)))).toBe(true);
    }
  });

  it('keeps queueDepth operations outstanding, mixes sizes and directions, and never lets its writes overlap', async () => {
    const b = bench({ workingSetBlocks: 16, readPercent: 30 });
    await b.runner.start();
    await until(() => ended(b) > 3_000);
    await b.runner.stop();
    for (const device of b.devices) {
      expect(device.outstandingMax).toBe(workload.queueDepth);
      expect(device.overlappingWrites).toBe(0);
      const share = (what: string): number => device.seen.filter((io) => io.what === what).length / device.seen.length;
      // 16 blocks are too few for eight writes of up to eight blocks: some became reads.
      expect(share('read')).toBeGreaterThan(0.25);
      expect(share('write')).toBeGreaterThan(0.2);
      expect(new Set(device.seen.map(({ nlb }) => nlb))).toEqual(new Set([1, 2, 8]));
      expect(device.seen.every(({ slba, nlb }) => slba + nlb <= 16)).toBe(true);
    }
    await b.finish();
  });

  it('asks each namespace for the same things when the seed is the same, and for others when it is not', async () => {
    const first = async (seed: string): Promise<string[]> => {
      // Depth 1: what comes next depends on nothing but the seed.
      const b = bench({ queueDepth: 1 }, { seed });
      await b.runner.start();
      await until(() => ended(b) > 100);
      await b.finish();
      return b.devices.map((device) => JSON.stringify(device.seen.slice(0, 40)));
    };
    const [one, again, other] = [await first('a'), await first('a'), await first('b')];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(one[0]).not.toEqual(one[1]);
  });

  it('fills idle namespaces once, then only probes them', async () => {
    const b = bench({}, { idleUuids: new Set([uuids[1]]) });
    await b.runner.start();
    const idle = b.devices[1]!;
    const writes = idle.seen.length;
    expect(idle.seen.reduce((sum, { what, nlb }) => sum + (what === 'write' ? nlb : 0), 0)).toBe(64);
    await until(() => idle.seen.length >= writes + 5);
    await b.runner.stop();
    expect(idle.outstandingMax).toBeLessThanOrEqual(4);
    const { invokes, completes } = await b.finish();
    const probes = invokes.filter(({ purpose }) => purpose === 'probe');
    expect(probes.length).toBe(idle.seen.length - writes);
    expect(probes.every(({ ns, what, nlb, op }) => ns === 1 && what === 'read' && nlb === 1 && completes.get(op)!.blocks[0]!.kind === 'version')).toBe(true);
    // A probe of zeroes would prove nothing.
    expect(probes.some(({ op }) => (completes.get(op)!.blocks[0] as { version: number }).version === 0)).toBe(false);
  });

  it('has one probe outstanding at most, and repeats a fill that failed', async () => {
    const b = bench({ probePeriodMs: 2 }, { idleUuids: new Set(uuids) });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    b.devices[0]!.interfere = (io, count) => (count === 1 ? { result: { outcome: 'fail', code: 'NO_PATH', sends: 0 } } : io.what === 'read' ? { after: held } : undefined);
    await b.runner.start();
    expect(b.devices[0]!.seen.filter(({ what }) => what === 'write')).toHaveLength(2);
    const others = b.devices[1]!.seen.length;
    await until(() => b.devices[1]!.seen.length > others + 10);
    expect(b.devices[0]!.seen.filter(({ what }) => what === 'read')).toHaveLength(1);
    release();
    await until(() => b.devices[0]!.seen.filter(({ what }) => what === 'read').length > 3);
    await b.finish();
  });

  it('paces', async () => {
    const b = bench({ maxIops: 200 });
    const from = performance.now();
    await b.runner.start();
    await until(() => ended(b) > 60);
    const seconds = (performance.now() - from) / 1_000;
    await b.runner.stop();
    for (const device of b.devices) expect(device.seen.length).toBeLessThanOrEqual(200 * seconds + 25);
    await b.finish();
  });

  it('counts failures and unknown outcomes, journals them as they are and does not ask in a busy loop', async () => {
    const b = bench({ queueDepth: 2 });
    b.devices[0]!.interfere = (_io, count) => ({ result: count % 2 === 0 ? { outcome: 'fail', code: 'NO_PATH', path: null, sends: 0 } : { outcome: 'info', code: 'ABORTED', status: 0x371, path: null, sends: 3 } });
    const from = performance.now();
    await b.runner.start();
    await until(() => b.devices[0]!.seen.length >= 20);
    // Two slots, each waiting 10 ms after every failure.
    expect(performance.now() - from).toBeGreaterThan(80);
    await b.runner.stop();
    const [totals] = b.runner.stats();
    expect(totals).toMatchObject({ reads: 0, writes: 0 });
    expect(totals!.failed + totals!.info).toBe(b.devices[0]!.seen.length);
    const { completes, invokes } = await b.finish();
    const mine = invokes.filter(({ ns }) => ns === 0).map(({ op }) => completes.get(op)!);
    expect(new Set(mine.map(({ outcome, code, status, path: by, sends }) => `${outcome} ${code} ${status} ${by} ${sends}`))).toEqual(
      new Set(['fail NO_PATH 0 null 0', 'info ABORTED 881 null 3']),
    );
  });

  it('drains on stop, then aborts what does not end: unknown outcome', async () => {
    const b = bench({ queueDepth: 4 }, { drainMaxMs: 50 });
    b.devices[0]!.interfere = (_io, count) => (count > 10 ? { after: new Promise(() => undefined) } : undefined);
    await b.runner.start();
    await until(() => b.devices[0]!.outstanding === 4);
    await b.runner.stop();
    const issued = b.devices[0]!.seen.length;
    expect(b.runner.stats()[0]).toMatchObject({ inflight: 0, info: 4 });
    await sleep(30);
    expect(b.devices[0]!.seen.length).toBe(issued);
    const { invokes, completes, problems } = await b.finish();
    expect(problems).toEqual([]);
    expect(invokes.filter(({ op }) => completes.get(op)!.outcome === 'info').map(({ op }) => completes.get(op)!.code)).toEqual(new Array(4).fill('ABORTED'));
  });

  it('treats a read that gives too little data as failed, and a device that throws as unknown', async () => {
    const errors: unknown[] = [];
    const b = bench({ readPercent: 100 }, { onDeviceError: (error) => errors.push(error) });
    b.devices[0]!.interfere = () => ({ result: { data: Buffer.alloc(100) } });
    b.devices[1]!.interfere = () => {
      throw new Error('a bug in a device');
    };
    await b.runner.start();
    await until(() => b.devices.every(({ seen }) => seen.length > 8));
    // Drained first: what a close finds outstanding is aborted.
    await b.runner.stop();
    const { invokes, completes } = await b.finish();
    const codes = (ns: number): Set<string> => new Set(invokes.filter((invoke) => invoke.ns === ns).map(({ op }) => `${completes.get(op)!.outcome} ${completes.get(op)!.code}`));
    expect(codes(0)).toEqual(new Set(['fail SHORT_DATA']));
    expect(codes(1)).toEqual(new Set(['info DEVICE_THREW']));
    expect(errors.length).toBeGreaterThan(0);
  });

  it('submits nothing once the journal cannot be written', async () => {
    let full = false;
    const b = bench({}, {
      openJournal: (dir) => JournalWriter.open(path.join(dir, journalFileName('host1')), journalHeaderOf('run-1', 'host1', 2, []), {
        writeSync: (_fd, _data, _offset, length) => {
          if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
          return length;
        },
      }),
    });
    await b.runner.start();
    await until(() => ended(b) > 100);
    full = true;
    await until(() => b.journal.failure !== undefined);
    const submitted = b.devices.map(({ seen }) => seen.length);
    await until(() => b.runner.stats()[0]!.failed > 10);
    expect(b.devices.map(({ seen }) => seen.length)).toEqual(submitted);
    await b.runner.close();
    b.journal.close();
  });

  it('reports each namespace while it runs, quiet ones too, and adds up', async () => {
    const b = bench({ queueDepth: 1 }, { queuedOf: (device) => device.nsid * 10, drainMaxMs: 50 });
    b.devices[1]!.interfere = () => ({ after: new Promise(() => undefined) });
    await b.runner.start();
    await until(() => b.stats.length >= 6);
    b.devices[1]!.interfere = undefined;
    await b.runner.close();
    const of = (nsid: number): IoStatsEvent[] => b.stats.filter((event) => event.nsid === nsid);
    expect(of(2)[0]).toMatchObject({ reads: 0, writes: 0, inflight: 1, queued: 20, latencyMaxUs: 0 });
    const sum = of(1).reduce((total, event) => total + event.reads + event.writes, 0);
    const totals = b.runner.stats()[0]!;
    expect(sum).toBe(totals.reads + totals.writes);
    expect(of(1)[0]!.latencyMaxUs).toBeGreaterThanOrEqual(of(1)[0]!.latencyP99Us);
    for (let i = 1; i < of(1).length; i++) expect(of(1)[i]!.fromUs).toBe(of(1)[i - 1]!.toUs);
    b.journal.close();
  }, 30_000);

  it('refuses a workload that does not fit, before anything runs', () => {
    const refused = (changes: Partial<StampWorkload>, text: RegExp, blocks?: number): void =>
      expect(() => bench(changes, blocks === undefined ? {} : { devices: [new MemoryDevice({ uuid: uuids[0], blocks })] })).toThrow(expect.objectContaining({ code: 'WORKLOAD_INVALID', exitCode: 64, message: expect.stringMatching(text) as string }));
    refused({ ioBytes: [700] }, /ioBytes 700/);
    refused({ ioBytes: [] }, /ioBytes is empty/);
    refused({ workingSetBlocks: 4 }, /more than the working set/);
    refused({ queueDepth: 0 }, /queueDepth 0/);
    refused({ ioBytes: [2 * 1024 * 1024], workingSetBlocks: 8_192 }, /more than the 1048576 bytes/, 8_192);
  });
});

describe('re-read', () => {
  const loaded = async (): Promise<Bench> => {
    const b = bench({ workingSetBlocks: 100 }, { idleUuids: new Set([uuids[1]]) });
    await b.runner.start();
    await until(() => ended(b) > 500);
    await b.runner.stop();
    for (const device of b.devices) device.seen.length = 0;
    return b;
  };

  it('reads every block of every working set once, journaled by pass', async () => {
    const b = await loaded();
    expect(await b.runner.reread('at-once')).toEqual({ blocks: 200, problems: [] });
    expect(await b.runner.reread('delayed', { controller: 'gw2' })).toEqual({ blocks: 200, problems: [] });
    for (const device of b.devices) {
      const covered = device.seen.flatMap(({ slba, nlb, controller }) => Array.from({ length: nlb }, (_, i) => `${controller} ${slba + i}`));
      expect(covered).toHaveLength(200);
      expect(new Set(covered)).toEqual(new Set(Array.from({ length: 100 }, (_, i) => [`undefined ${i}`, `gw2 ${i}`]).flat()));
    }
    expect(b.rereads.filter(({ nsid, pass }) => nsid === 1 && pass === 'at-once')).toEqual([
      { type: 'reread', pass: 'at-once', state: 'begin', nsUuid: uuids[0], nsid: 1, blocks: 100 },
      { type: 'reread', pass: 'at-once', state: 'end', nsUuid: uuids[0], nsid: 1, blocks: 100, path: 'gw1:nvme0:q1' },
    ]);
    const { invokes } = await b.finish();
    expect(invokes.filter(({ purpose }) => purpose === 'reread-at-once').reduce((sum, { nlb }) => sum + nlb, 0)).toBe(200);
    expect(invokes.filter(({ purpose }) => purpose === 'reread-delayed').reduce((sum, { nlb }) => sum + nlb, 0)).toBe(200);
  });

  it('finds what is not sound and names it', async () => {
    const b = await loaded();
    const idle = b.devices[1]!;
    idle.bytes[5 * 512 + 200]! ^= 1;
    idle.bytes.copyWithin(9 * 512, 8 * 512, 9 * 512);
    const result = await b.runner.reread('at-once');
    expect(result.blocks).toBe(198);
    expect(result.problems.sort()).toEqual(['namespace 2 LBA 5: torn', 'namespace 2 LBA 9: misdirected']);
    const { completes } = await b.finish();
    const bad = [...completes.values()].flatMap(({ blocks }) => blocks.filter(({ kind }) => kind !== 'version'));
    expect(bad.map(({ kind }) => kind).sort()).toEqual(['misdirected', 'torn']);
  });

  it('tries a failed read again and names what it could not read', async () => {
    const b = await loaded();
    let failures = 0;
    b.devices[0]!.interfere = ({ slba }) => (slba === 0 && failures++ === 0 ? { result: { outcome: 'fail', code: 'NVME_STATUS', status: 0x281 } } : undefined);
    expect(await b.runner.reread('at-once')).toEqual({ blocks: 200, problems: [] });
    expect(failures).toBe(2);
    b.devices[0]!.interfere = () => ({ result: { outcome: 'fail', code: 'NVME_STATUS', status: 0x281 } });
    expect(await b.runner.reread('delayed')).toEqual({ blocks: 100, problems: ['namespace 1 LBA 0 to 99: not read (fail, NVME_STATUS, status 281h)'] });
    await b.finish();
  });

  it('asks for no more at once than the device takes', async () => {
    const b = await loaded();
    for (const device of b.devices) device.transferMaxBytes = 4_096;
    expect(await b.runner.reread('at-once')).toEqual({ blocks: 200, problems: [] });
    expect(Math.max(...b.devices[0]!.seen.map(({ nlb }) => nlb))).toBe(8);
    await b.finish();
  });

  it('does not run beside the load or after the end', async () => {
    const b = bench();
    await b.runner.start();
    await expect(b.runner.reread('at-once')).rejects.toThrow(/the load is running/);
    await b.finish();
    await expect(b.runner.reread('at-once')).rejects.toThrow(/the load is closed/);
    await expect(b.runner.start()).rejects.toThrow(/cannot start/);
  });
});
