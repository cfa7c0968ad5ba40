import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ControlAnaState } from '../../../gateway/control.js';
import { NvmeTcpTarget } from '../../../gateway/target/index.js';
import { MemoryBackend } from '../../../gateway/target/testing/memory-backend.js';
import { openJournalSource } from '../../../history/index.js';
import type { EventOf, EventType, JournalRecord, NodeEvent } from '../../../history/index.js';
import { useTempDirs } from '../../../history/testing/temp-dir.js';
import type { LabTimers, Plan } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { MemberProcess } from '../member-process.js';
import type { HostMemberConfig } from './host.js';

const nqn = 'nqn.2026-01.io.example:test';
const uuidOf = (nsid: number): string => `00000000-0000-4000-8000-00000000000${nsid}`;
const anaGroupOf = (nsid: number): number => (nsid === 2 ? 2 : 1);
const nsids = [1, 2, 3];
/** Idle: only probed. */
const idleNsid = 3;
const blocks = 256;

const tempDir = useTempDirs();
const members: MemberProcess[] = [];
const targets: NvmeTcpTarget[] = [];
afterEach(async () => {
  for (const member of members.splice(0)) member.signal('SIGKILL');
  await Promise.all(targets.splice(0).map((target) => target.close()));
});

/** Two gateways over the same backends; gateway i is optimized for ANA group i. */
async function gateways(): Promise<{ targets: NvmeTcpTarget[]; ports: number[] }> {
  const backends = nsids.map(() => new MemoryBackend(blocks));
  const made: NvmeTcpTarget[] = [];
  const ports: number[] = [];
  for (const index of [1, 2]) {
    const target = new NvmeTcpTarget();
    targets.push(target);
    made.push(target);
    target.addSubsystem({ nqn, serial: `PP000${index}`, cntlidMin: index * 2040, cntlidMax: index * 2040 + 2039 });
    for (const nsid of nsids) {
      target.addNamespace(nqn, { nsid, uuid: uuidOf(nsid), nguid: String(nsid).padStart(32, '0'), anaGroup: anaGroupOf(nsid), backend: backends[nsid - 1]! });
    }
    for (const group of [1, 2]) await target.setAnaState(nqn, group, (group === index ? 'optimized' : 'inaccessible') satisfies ControlAnaState);
    ports.push((await target.addListener(nqn, { host: '127.0.0.1', port: 0 })).port);
  }
  return { targets: made, ports };
}

const timers = { katoMs: 2_000, ioTimeoutMs: 5_000, adminTimeoutMs: 5_000, reconnectDelayMs: 200, ctrlLossTmoMs: -1, fastIoFailTmoMs: -1 } as LabTimers;
const plan = {
  seed: 'seed',
  topology: {
    hosts: [{ name: 'host1', hostNqn: 'nqn.2026-01.io.example:host1', hostId: '11111111-2222-4333-8444-555555555555' }],
    namespaces: nsids.map((nsid) => ({ nsid, uuid: uuidOf(nsid), nguid: '', anaGroup: anaGroupOf(nsid), blockSize: 512, blocks, idle: nsid === idleNsid, image: '' })),
  },
  workload: {
    kind: 'stamp', queueDepth: 4, readPercent: 50, ioBytes: [512, 4096], workingSetBlocks: blocks, maxIops: 500, idleNamespaces: 1, probePeriodMs: 20, delayedRereadMs: 0,
  },
} as unknown as Plan;

interface Started {
  member: MemberProcess;
  dir: string;
  of: <T extends EventType>(type: T) => EventOf<T>[];
  until: (condition: () => boolean) => Promise<void>;
}

function start(ports: readonly number[], changes: Partial<HostMemberConfig> = {}): Started {
  const dir = tempDir();
  const events: NodeEvent[] = [];
  const { hostNqn, hostId } = plan.topology.hosts[0]!;
  const config: HostMemberConfig = {
    name: 'host1', hostNqn, hostId, subNqn: nqn, runId: 'run-1', plan, timers, policy: 'numa', ioQueues: 2, digests: { header: true, data: true },
    controllers: ports.map((port, i) => ({ gateway: `gw${i + 1}`, host: '127.0.0.1', port })), journalFile: path.join(dir, 'journal-host1.ppj'), ...changes,
  };
  const member = new MemberProcess({ name: 'host1', entry: 'host', config, logFile: path.join(dir, 'host1.log'), onEvent: (event) => events.push(event) });
  members.push(member);
  return {
    member, dir,
    of: <T extends EventType>(type: T) => events.filter((event) => event.type === type) as unknown as EventOf<T>[],
    until: async (condition) => {
      while (!condition()) {
        if (!member.running) throw new Error(`the member ended:\n${readFileSync(member.logFile, 'utf8')}`);
        await sleep(5);
      }
    },
  };
}

async function journalOf(dir: string): Promise<{ records: JournalRecord[]; problems: string[]; nsids: number[] }> {
  const source = openJournalSource(dir);
  const records: JournalRecord[] = [];
  const [header] = await source.headers();
  for await (const chunk of source.records(header!)) records.push(...chunk);
  return { records, problems: source.problems(), nsids: header!.namespaces.map(({ nsid }) => nsid) };
}

describe('host member', () => {
  it('runs load, probes and re-reads over real NVMe/TCP through the loss of a gateway, and leaves a whole journal', async () => {
    const g = await gateways();
    const { member, dir, of, until } = start(g.ports);
    await member.info;
    await member.request('connect');
    await member.request('inventory', { label: 'start' });
    await member.request('startLoad');
    const completed = (nsid: number): number => of('io.stats').reduce((sum, event) => sum + (event.nsid === nsid ? event.reads + event.writes : 0), 0);
    await until(() => nsids.every((nsid) => completed(nsid) > 20));

    await g.targets[0]!.close();
    await until(() => of('host.path').some((event) => event.gateway === 'gw1' && !event.usable && event.nsid === 1));
    await g.targets[1]!.setAnaState(nqn, 1, 'optimized');
    await until(() => of('host.path').some((event) => event.gateway === 'gw2' && event.usable && event.nsid === 1));
    const [at1, at3] = [completed(1), completed(3)];
    await until(() => completed(1) > at1 + 20 && completed(3) > at3 + 5);

    await member.request('stopLoad');
    expect(await member.request('reread', { pass: 'at-once' })).toEqual({ blocks: 3 * blocks, problems: [] });
    expect(await member.request('reread', { pass: 'delayed', controller: 'gw2' })).toEqual({ blocks: 3 * blocks, problems: [] });
    await member.request('inventory', { label: 'end' });
    const stats = await member.request<{ nsid: number; reads: number; failed: number; info: number }[]>('stats');
    expect(stats.map(({ nsid, failed, info }) => [nsid, failed, info])).toEqual(nsids.map((nsid) => [nsid, 0, 0]));
    expect(await member.request('counters')).toMatchObject({ iosFailed: 0, iosInfo: 0 });
    expect(await member.request('prometheus')).toMatch(/^pathproof_host_/m);
    expect(await member.request('tree')).toHaveProperty('nvme-subsystem');
    await member.end();

    // Every operation is in the journal and ended ok, those of the failover through the other gateway.
    const { records, problems, nsids: listed } = await journalOf(dir);
    expect(problems).toEqual([]);
    expect(listed).toEqual(nsids);
    const invokes = records.filter((record) => record.kind === 'invoke');
    const completes = records.filter((record) => record.kind === 'complete');
    expect(completes).toHaveLength(invokes.length);
    expect(new Set(completes.map(({ outcome }) => outcome))).toEqual(new Set(['ok']));
    expect(new Set(invokes.map(({ purpose }) => purpose))).toEqual(new Set(['load', 'probe', 'reread-at-once', 'reread-delayed']));
    expect(completes.every(({ path: by }) => by !== null && /gw[12]/.test(by))).toBe(true);
    const opsOf1 = new Set(invokes.filter(({ ns }) => ns === 0).map(({ op }) => op));
    expect(new Set(completes.filter(({ op }) => opsOf1.has(op)).map(({ path: by }) => /gw\d/.exec(by!)![0]))).toEqual(new Set(['gw1', 'gw2']));
    expect(completes.flatMap(({ blocks: seen }) => seen).every(({ kind }) => kind === 'version')).toBe(true);
    // The final re-reads agree block by block.
    const final = (purpose: string): string[] => invokes.filter((invoke) => invoke.purpose === purpose)
      .flatMap(({ op, ns, slba }) => completes.find((complete) => complete.op === op)!.blocks.map((seen, i) => `${ns} ${slba + i} ${JSON.stringify(seen)}`)).sort();
    expect(final('reread-delayed')).toEqual(final('reread-at-once'));

    expect(of('host.inventory').map(({ label, namespaces }) => [label, namespaces.length])).toEqual([['start', 3], ['end', 3]]);
    expect(of('host.controller').some(({ gateway, state }) => gateway === 'gw1' && state === 'connecting')).toBe(true);
    expect(of('reread').map(({ pass, state }) => `${pass} ${state}`).sort()).toEqual([
      ...new Array<string>(3).fill('at-once begin'), ...new Array<string>(3).fill('at-once end'),
      ...new Array<string>(3).fill('delayed begin'), ...new Array<string>(3).fill('delayed end'),
    ]);
    const coverage = of('observe.coverage');
    expect(new Set(coverage.map(({ observer }) => observer))).toEqual(new Set(['host:host1']));
    for (let i = 1; i < coverage.length; i++) expect(coverage[i]!.fromUs).toBe(coverage[i - 1]!.toUs);
    expect(new Set(of('self.watch').map(({ process: name }) => name))).toEqual(new Set(['host1']));
  }, 60_000);

  it('reads on the paths that must refuse it, and tells if one does not', async () => {
    const g = await gateways();
    const { member, dir, of } = start(g.ports);
    await member.request('connect');
    await member.request('startLoad');
    await member.request('stopLoad');
    const sweeps = Math.ceil((blocks * 512) / (64 * 1024));
    expect(await member.request('audit')).toEqual({ answered: 0, refused: nsids.length * sweeps });
    expect(of('host.ana-states').map(({ gateway, states }) => `${gateway} ${states['1']} ${states['2']}`)).toEqual(expect.arrayContaining(['gw1 optimized inaccessible', 'gw2 inaccessible optimized']));
    await member.end();
    const { records } = await journalOf(dir);
    const audits = records.filter((record) => record.kind === 'invoke' && record.purpose === 'audit').map(({ op }) => op);
    expect(audits).toHaveLength(nsids.length * sweeps);
    expect(records.filter((record) => record.kind === 'complete' && audits.includes(record.op)).every((record) => record.kind === 'complete' && record.outcome === 'fail')).toBe(true);
  }, 60_000);

  it('withholds the data of writes through one gateway, and sends it when it is told to', async () => {
    const g = await gateways();
    // Nothing fits into a capsule: every write waits for an R2T.
    const { member } = start(g.ports, { plan: { ...plan, workload: { ...plan.workload, ioBytes: [16_384], readPercent: 0 } } });
    await member.request('connect');
    await member.request('startLoad');
    const held = await member.request<{ nsid: number }[]>('holdWrites', { gateway: 'gw1', nsids: [1], perNamespace: 2 });
    expect(held.map(({ nsid }) => nsid)).toEqual([1, 1]);
    const waiting = (): number => g.targets[0]!.connections().reduce((sum, { awaitingData }) => sum + awaitingData, 0);
    await sleep(100);
    expect(waiting()).toBeGreaterThanOrEqual(2);
    await expect(member.request('holdWrites', { gateway: 'gw1', nsids: [1], perNamespace: 1 })).rejects.toThrow(/held already/);
    expect(await member.request('releaseWrites')).toEqual({ sent: 2, dropped: 0 });
    expect(await member.request('releaseWrites')).toEqual({ sent: 0, dropped: 0 });
    await member.request('stopLoad');
    expect(waiting()).toBe(0);
    await member.end();
  }, 60_000);

  it('adds and removes controllers while it runs', async () => {
    const g = await gateways();
    await g.targets[0]!.setAnaState(nqn, 2, 'optimized');
    const { member, of, until } = start([g.ports[0]!]);
    await member.request('connect');
    expect(await member.request('addController', { gateway: 'gw2', host: '127.0.0.1', port: g.ports[1] })).toEqual({ name: 'nvme1', live: true });
    await until(() => of('host.path').some(({ gateway, nsid, usable }) => gateway === 'gw2' && nsid === 2 && usable));
    await member.request('removeController', { name: 'gw2' });
    expect(of('host.path-gone').filter(({ gateway }) => gateway === 'gw2')).toHaveLength(3);
    await expect(member.request('removeController', { name: 'gw9' })).rejects.toThrow(/gw9/);
    await member.end();
  }, 60_000);

  it('says what is wrong: a host without gateways, a request too early, bad parameters', async () => {
    const g = await gateways();
    const { member } = start(g.ports);
    await expect(member.request('startLoad')).rejects.toThrow(/not connected/);
    await expect(member.request('reread', { pass: 'sometimes' })).rejects.toThrow(/at-once/);
    await expect(member.request('noSuchThing')).rejects.toThrow(/noSuchThing/);
    await member.end();
    const closed = await gateways();
    await Promise.all(closed.targets.map((target) => target.close()));
    const alone = start(closed.ports, { connectMaxMs: 300 });
    expect(await alone.member.request('connect')).toEqual({ missing: nsids.map((nsid) => `namespace ${nsid} (${uuidOf(nsid)})`) });
    expect(alone.member.logTail().join('\n')).toMatch(/none of 2 controllers/);
    await alone.member.end();
  }, 60_000);

  it('closes its journal in order when it is told to end in the middle of the load', async () => {
    const g = await gateways();
    const { member, dir, of, until } = start(g.ports);
    await member.request('connect');
    await member.request('startLoad');
    await until(() => of('io.stats').some(({ reads }) => reads > 0));
    await member.end();
    expect((await member.exited).exitCode).toBe(0);
    const { records, problems } = await journalOf(dir);
    expect(problems).toEqual([]);
    expect(records.length).toBeGreaterThan(10);
  }, 60_000);

  it('ends, with the reason in its log, when the journal cannot be created', async () => {
    const g = await gateways();
    const { member } = start(g.ports, { journalFile: path.join(tempDir(), 'no', 'such', 'folder', 'journal-host1.ppj') });
    await expect(member.request('connect')).rejects.toThrow(/cannot create .*journal-host1\.ppj/);
    await member.end();
  }, 60_000);

  it('does not start with a config that it cannot use', async () => {
    const { member } = start([1], { ioQueues: 0 });
    await expect(member.info).rejects.toThrow(/ended before it was ready/);
    expect(member.logTail().join('\n')).toMatch(/ioQueues/);
  }, 60_000);
});
