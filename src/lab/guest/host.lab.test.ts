import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryEvent, NodeEvent } from '../../history/events.js';
import { openJournalSource } from '../../history/index.js';
import type { PathPolicy, Plan } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import { integrity } from '../../verify/integrity/index.js';
import { countedIo } from '../../verify/path-io.js';
import { testPlan, testTimers } from '../../verify/testing/plan.js';
import { decideKvm } from '../qemu/accel.js';
import { ensureImage } from '../qemu/image/image.js';
import { defaultRecipe } from '../qemu/image/recipe.js';
import { fabricNames } from '../qemu/network.js';
import { bootAll, makeNodes } from '../qemu/nodes.js';
import { linesProgress } from '../qemu/progress.js';
import { GuestPrograms } from '../qemu/programs.js';
import { startSwitch, type RunningSwitch } from '../qemu/switch/index.js';
import { ensureKeys } from '../qemu/vm/keys.js';
import type { Ssh } from '../qemu/vm/ssh.js';
import type { QemuVm } from '../qemu/vm/vm.js';
import { AttachedMember } from './attached-member.js';
import { hostJournalPath } from './host-config.js';
import type { HostGuestConfig } from './host-config.js';
import { addPortCommand, anaCommand, guestBlockSize, guestNamespaceMiB, guestNamespaces, guestNqn, guestPort, guestPorts, makeTarget, removePortCommand } from './testing/nvmet-in-guest.js';

const wanted = process.env['PATHPROOF_QEMU'] === '1';
if (!wanted) console.log('skipped: virtual machines are started only with PATHPROOF_QEMU=1');

/** Short enough for a test; whole seconds, as the kernel takes them. */
const timers = { ...testTimers, katoMs: 2_000, ioTimeoutMs: 10_000, adminTimeoutMs: 10_000, reconnectDelayMs: 1_000, ctrlLossTmoMs: 60_000 };
const uuids = guestNamespaces.map(({ uuid }) => uuid);
/** Its own pattern would match the shell that looks for it. */
const pidInGuest = "pgrep -f 'pathproof/[h]ost.mjs'";

/** The real Linux initiator in one virtual machine, connected to the kernel's own target in the same one. */
describe.skipIf(!wanted)('the host’s member in a virtual machine', () => {
  let dir: string;
  let fabrics: RunningSwitch | undefined;
  let vm: QemuVm;
  let programs: GuestPrograms;
  let channel: Channel;
  let harnessMinusGuestUs = 0;

  beforeAll(async () => {
    const image = await ensureImage(defaultRecipe(), { progress: (line) => console.log(line) });
    const accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    dir = mkdtempSync(join(tmpdir(), 'pphost-'));
    fabrics = await startSwitch({ dir, seed: 'host test', fabrics: fabricNames.map((name) => ({ name, nodes: ['host1'] })) }, join(dir, 'switch.log'));
    const nodes = makeNodes([{ name: 'host1', memoryMb: 1_280, cpus: 2, modules: ['nvme-tcp', 'configfs', 'nvmet', 'nvmet-tcp', 'loop'] }], {
      image, accel, keys: await ensureKeys(dir), dir, logDir: join(dir, 'logs'), progress: linesProgress((line) => console.log(line)),
    });
    vm = nodes.get('host1')!;
    await bootAll([vm], () => undefined);
    await makeTarget(vm.ssh);
    programs = await GuestPrograms.bundle();
  }, 30 * 60_000);

  afterAll(async () => {
    channel?.close();
    await vm?.kill();
    await fabrics?.end();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  /** Starts the member, ends the one before it, and attaches to it. */
  async function restart(policy: PathPolicy): Promise<void> {
    channel?.close();
    const config: HostGuestConfig = {
      name: 'host1', nqn: guestNqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555', hostId: '11111111-2222-4333-8444-555555555555',
      controllers: guestPorts.map(({ gateway, fabric, traddr }) => ({ gateway, fabric, traddr, trsvcid: guestPort })), timers, policy, ioQueues: 1, digests: { header: true, data: true },
    };
    await end();
    await programs.install(vm.ssh, 'host', 'host1', config);
    await programs.start(vm.ssh, 'host', 'host1');
    await attach();
  }

  /** Ends the member if one runs. */
  async function end(): Promise<void> {
    await vm.ssh.exec(`p=$(${pidInGuest}) && kill $p && while [ -e /proc/$p ]; do sleep 0.1; done`, { okCodes: [0, 1] });
  }

  async function attach(): Promise<void> {
    channel = await Channel.attach(vm.ssh, dir);
    harnessMinusGuestUs = channel.member.clock.shiftUs;
    console.log(`attached, clock error ${(channel.member.clock.errUs / 1_000).toFixed(1)} ms`);
  }
  const inGuest = async (command: string): Promise<string> => (await vm.ssh.exec(command)).stdout.trim();
  const states = (gateway: string): string[] => {
    const last = new Map<string, string>();
    for (const event of channel.ofType('host.controller')) if (event.gateway === gateway) last.set(event.controller, event.state);
    return [...last.values()].filter((state) => state !== 'dead');
  };
  const owners = (nsid: number): string[] => {
    const last = new Map<string, { gateway: string; ana: string; controllerState: string }>();
    for (const event of channel.ofType('host.path')) if (event.nsid === nsid) last.set(event.path, event);
    return [...new Set([...last.values()].filter(({ ana, controllerState }) => ana === 'optimized' && controllerState === 'live').map(({ gateway }) => gateway))].sort();
  };

  it.each<PathPolicy>(['queue-depth', 'round-robin', 'numa'])('connects every path, with the policy %s', async (policy) => {
    await restart(policy);
    expect(await channel.request('connect', { namespaces: uuids })).toEqual({ problems: [] });
    expect(await inGuest('cat /sys/class/nvme-subsystem/*/iopolicy')).toBe(policy);
    await channel.request('announce');
    expect(new Set(channel.ofType('host.controller').filter(({ state }) => state === 'live').map(({ gateway, address }) => `${gateway} ${address}`))).toEqual(new Set(guestPorts.map(({ gateway, traddr }) => `${gateway} ${traddr}:${guestPort}`)));
    expect(new Set(channel.ofType('host.path').map(({ path }) => path)).size).toBe(16);
    for (const { nsid, anaGroup } of guestNamespaces) expect(owners(nsid)).toEqual([`gw${anaGroup}`]);
    await channel.request('inventory', { label: 'start' });
    expect(channel.ofType('host.inventory').at(-1)!.namespaces).toEqual(guestNamespaces.map((each) => ({ ...each, blockSize: guestBlockSize, blocks: (guestNamespaceMiB * 1_048_576) / guestBlockSize, gateways: ['gw1', 'gw2'] })));
    // What the member before this one had connected was not taken over, because nobody knows how.
    expect(await inGuest('ls /sys/class/nvme | wc -l')).toBe('4');
    expect(await channel.request('connect', { namespaces: uuids })).toEqual({ problems: [] });
  }, 300_000);

  it('sees a change of ANA state at once, and when the kernel heard of it', async () => {
    // What the guest's wall clock, which the shell can read, is on its monotonic clock and so on ours.
    const guestRealMinusMonoUs = Number(await inGuest('node -e "let best=[1e9,0]; for(let i=0;i<2000;i++){const a=process.hrtime.bigint();const r=(performance.timeOrigin+performance.now())*1e3;const b=process.hrtime.bigint();const d=Number(b-a);if(d<best[0])best=[d,r-Number(a+b)/2e3]}console.log(Math.round(best[1]))"'));
    const lags: { seen: number; aen: number; log: number }[] = [];
    for (let round = 0; round < 20; round++) {
      const state = round % 2 === 0 ? 'inaccessible' : 'optimized';
      const before = channel.events.length;
      const written = Number(await inGuest(`t=$EPOCHREALTIME; ${anaCommand('gw1', 1, state)}; echo \${t/./}`)) - guestRealMinusMonoUs + harnessMinusGuestUs;
      const since = (type: NodeEvent['type']): NodeEvent[] => channel.events.slice(before).filter((event) => event.type === type);
      await channel.until(() => since('host.path').length >= 4 && since('host.ana-log').length >= 2, 10_000, `round ${round}`);
      const lag = (type: NodeEvent['type']): number => (Math.max(...since(type).map(({ tUs }) => tUs)) - written) / 1_000;
      lags.push({ seen: lag('host.path'), aen: lag('host.aen'), log: lag('host.ana-log') });
      await sleep(100);
    }
    const quantiles = (values: number[]): string => {
      const sorted = [...values].sort((a, b) => a - b);
      return `p50 ${sorted[sorted.length >> 1]!.toFixed(1)} max ${sorted.at(-1)!.toFixed(1)} ms`;
    };
    console.log(`configfs write → AEN ${quantiles(lags.map(({ aen }) => aen))}; → ANA log read ${quantiles(lags.map(({ log }) => log))}; → host.path ${quantiles(lags.map(({ seen }) => seen))}; log → host.path ${quantiles(lags.map(({ seen, log }) => seen - log))}`);
    for (const { seen, aen, log } of lags) {
      // The kernel hears of it, then reads the log, then shows it; the clocks are known to some milliseconds.
      expect(log).toBeGreaterThan(aen);
      expect(seen).toBeGreaterThan(aen);
      expect(seen).toBeLessThan(10_000);
    }
    expect(channel.ofType('host.aen').at(-1)).toMatchObject({ gateway: 'gw1', result: 0x0c_0302 });
  }, 300_000);

  it('follows a port that goes and comes back, with the kernel’s words for it', async () => {
    const before = channel.events.length;
    await inGuest(removePortCommand(1));
    await channel.until(() => states('gw1').includes('connecting'), 10_000, 'the controller is lost');
    await sleep(1_500);
    await inGuest(addPortCommand(1));
    await channel.until(() => states('gw1').every((state) => state === 'live'), 20_000, 'the controller is back');
    await sleep(500);
    const topics = new Set(channel.events.slice(before).flatMap((event) => (event.type === 'kernel.log' ? [event.topic] : [])));
    expect([...topics]).toEqual(expect.arrayContaining(['error-recovery', 'reconnect', 'connect-failed', 'reconnected', 'target']));
    const lost = channel.events.slice(before).find((event) => event.type === 'host.controller' && event.state !== 'live');
    const recovery = channel.events.slice(before).find((event) => event.type === 'kernel.log' && event.topic === 'error-recovery')!;
    expect(lost).toMatchObject({ gateway: 'gw1', address: `127.0.0.1:${guestPort}` });
    console.log(`kernel log "starting error recovery" → host.controller: ${((lost!.tUs - recovery.tUs) / 1_000).toFixed(1)} ms`);
    // The other fabric's path stays.
    expect(owners(1)).toEqual(['gw1']);
  }, 300_000);

  it('carries a verified workload over a failover, and tells which paths carried it', async () => {
    const plan = guestPlan();
    await channel.request('begin', { runId: 'guest-run', plan });
    await channel.request('inventory', { label: 'start' });
    await channel.request('startLoad');
    await sleep(5_000);
    const fromUs = Math.max(...channel.events.map(({ tUs }) => tUs));
    await inGuest(`${anaCommand('gw1', 1, 'inaccessible')}; sleep 0.3; ${anaCommand('gw2', 1, 'optimized')}`);
    await channel.until(() => owners(1).join() === 'gw2' && owners(3).join() === 'gw2', 20_000, 'gw2 has taken over');
    const tookOverUs = Math.max(...channel.ofType('host.path').filter(({ gateway, ana }) => gateway === 'gw2' && ana === 'optimized').map(({ tUs }) => tUs));
    await sleep(4_000);
    const untilUs = Math.max(...channel.events.map(({ tUs }) => tUs));
    await inGuest(`${anaCommand('gw2', 1, 'inaccessible')}; sleep 0.3; ${anaCommand('gw1', 1, 'optimized')}`);
    await channel.until(() => owners(1).join() === 'gw1' && owners(3).join() === 'gw1', 20_000, 'gw1 has its group again');
    await sleep(2_000);
    await channel.request('stopLoad');
    for (const pass of ['at-once', 'delayed']) expect((await channel.request<{ problems: string[] }>('reread', { pass })).problems).toEqual([]);
    await channel.request('inventory', { label: 'end' });
    const stats = await channel.request<{ reads: number; writes: number }[]>('stats');
    const finished = await channel.request<{ bytes: number; hung: number }>('finish');
    const journalFile = join(dir, 'journal-host1.ppj');
    await vm.ssh.download(hostJournalPath('host1'), journalFile);
    expect(readFileSync(journalFile)).toHaveLength(finished.bytes);
    expect(finished.hung).toBe(0);

    const events = channel.events.map((event, i): HistoryEvent => ({ ...event, seq: i + 1, wallMs: 0, node: 'host1', offUs: 0, errUs: 0 }));
    const input = { plan, events, historyProblems: [], journal: openJournalSource(dir) };
    const result = await integrity.check(input);
    console.log(result.summary);
    console.log(stats.map(({ reads, writes }, i) => `ns${i + 1} ${reads} reads ${writes} writes`).join(', '));
    expect(result).toMatchObject({ verdict: 'pass' });
    const group1 = guestNamespaces.filter(({ anaGroup }) => anaGroup === 1).map(({ uuid }) => uuid);
    const counted = (gateway: string): unknown => countedIo(input, { host: 'host1', gateway, nsUuids: group1, writesOnly: true, failedOps: 0, fromUs: tookOverUs, toUs: untilUs });
    expect(counted('gw2')).toMatchObject({ kind: 'carried' });
    expect(counted('gw1')).toEqual({ kind: 'none' });
    expect(fromUs).toBeLessThan(tookOverUs);
    expect(channel.ofType('io.stats').length).toBeGreaterThan(20);
  }, 300_000);

  it('costs little and looks often, also under load', async () => {
    await channel.request('begin', { runId: 'guest-run-2', plan: guestPlan() });
    const cpu = async (): Promise<{ process: number; sampler: number }> => {
      const text = await inGuest(`cat /proc/$(${pidInGuest})/task/*/stat`);
      // proc_pid_stat(5): the second field is the name, 14 and 15 are the ticks in user and kernel mode.
      const threads = text.split('\n').map((line) => ({ name: /\((.*)\)/.exec(line)![1], fields: line.slice(line.lastIndexOf(')') + 2).split(' ') }));
      const ticks = threads.map(({ name, fields }) => ({ name, ticks: Number(fields[11]) + Number(fields[12]) }));
      return { process: ticks.reduce((sum, thread) => sum + thread.ticks, 0), sampler: ticks.find(({ name }) => name === 'WorkerThread')?.ticks ?? 0 };
    };
    const measure = async (what: string): Promise<void> => {
      const mark = channel.events.length;
      const before = await cpu();
      const fromMs = performance.now();
      await sleep(8_000);
      const after = await cpu();
      const seconds = (performance.now() - fromMs) / 1_000;
      const gaps = channel.events.slice(mark).flatMap((event) => (event.type === 'observe.coverage' ? [event] : []));
      const samples = gaps.reduce((sum, event) => sum + event.samples, 0) / (gaps.reduce((sum, event) => sum + event.toUs - event.fromUs, 0) / 1e6);
      const sorted = gaps.map(({ maxGapUs }) => maxGapUs / 1_000).sort((a, b) => a - b);
      // 100 ticks a second.
      console.log(`${what}: sampler ${((after.sampler - before.sampler) / seconds).toFixed(1)} % of a CPU, whole member ${((after.process - before.process) / seconds).toFixed(1)} %, ${samples.toFixed(0)} samples/s, longest gap per 250 ms: p50 ${sorted[sorted.length >> 1]!.toFixed(1)} max ${sorted.at(-1)!.toFixed(1)} ms`);
      expect(samples).toBeGreaterThan(20);
    };
    await measure('idle');
    await channel.request('startLoad');
    await measure('under load');
    await channel.request('stopLoad');
    await channel.request('finish');
  }, 300_000);

  it('tells a new harness what there is', async () => {
    channel.close();
    await attach();
    expect(channel.ofType('host.controller')).toHaveLength(4);
    expect(channel.ofType('host.path')).toHaveLength(16);
  }, 300_000);

  it('lets I/O fail honestly when every controller is gone, and begins no run over what hangs', async () => {
    await channel.request('begin', { runId: 'guest-run-3', plan: guestPlan() });
    await channel.request('startLoad');
    await sleep(1_000);
    await channel.request('disconnect');
    await channel.until(() => channel.ofType('host.path-gone').length >= 16, 10_000, 'all paths are gone');
    await sleep(1_000);
    await channel.request('stopLoad');
    const stats = await channel.request<{ failed: number; info: number }[]>('stats');
    console.log(`after disconnect: ${stats.map(({ failed, info }) => `${failed} failed ${info} unknown`).join(', ')}`);
    expect(stats.reduce((sum, { failed, info }) => sum + failed + info, 0)).toBeGreaterThan(0);
    expect(await channel.request('finish')).toMatchObject({ hung: 0 });
    expect(await channel.request('connect', { namespaces: uuids })).toEqual({ problems: [] });
  }, 300_000);

  it('ends when it is asked to, and leaves nothing behind but its connections', async () => {
    await end();
    expect(await inGuest('ls /sys/kernel/tracing/instances; pidof cat; ls /sys/class/nvme | wc -l')).toBe('4');
  }, 300_000);
});

/** A plan for the guest's own target; only what the member and the integrity checker read matters. */
function guestPlan(): Plan {
  const plan = testPlan();
  return {
    ...plan,
    shape: { ...plan.shape, timers },
    topology: {
      ...plan.topology, nqn: guestNqn,
      namespaces: guestNamespaces.map((each) => ({ ...each, blockSize: guestBlockSize, blocks: (guestNamespaceMiB * 1_048_576) / guestBlockSize, idle: each.nsid === 4, image: `image${each.nsid}` })),
    },
    workload: { ...plan.workload, queueDepth: 4, ioBytes: [4096, 16_384], workingSetBlocks: 128, maxIops: 100 },
  };
}

/** A test's end of the channel to the member: it keeps all events. */
class Channel {
  readonly events: NodeEvent[];
  readonly member: AttachedMember;
  readonly #waiters: Set<() => void>;

  private constructor(member: AttachedMember, events: NodeEvent[], waiters: Set<() => void>) {
    this.member = member;
    this.events = events;
    this.#waiters = waiters;
  }

  static async attach(ssh: Ssh, dir: string): Promise<Channel> {
    const events: NodeEvent[] = [];
    const waiters = new Set<() => void>();
    const member = await AttachedMember.attach({
      name: 'host1', ssh, dir, timeoutMs: 120_000,
      onEvent: (event) => {
        events.push(event);
        for (const waiter of [...waiters]) waiter();
      },
    });
    return new Channel(member, events, waiters);
  }

  request<T = unknown>(method: string, params: unknown = {}): Promise<T> {
    return this.member.request<T>(method, params, 180_000);
  }

  ofType<T extends NodeEvent['type']>(type: T): Extract<NodeEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
  }

  /** Waits until the events heard so far fulfil the condition. */
  async until(condition: () => boolean, maxMs: number, what: string): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), maxMs);
    try {
      while (!condition()) {
        if (late.signal.aborted) throw new Error(`${what}: not within ${maxMs} ms`);
        const next = new AbortController();
        const wake = (): void => next.abort();
        this.#waiters.add(wake);
        await sleep(maxMs, AbortSignal.any([next.signal, late.signal]));
        this.#waiters.delete(wake);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.member.close();
  }
}
