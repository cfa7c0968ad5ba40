import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../history/events.js';
import { productionTimers } from '../../plan/timers.js';
import { nowUs } from '../../util/clock.js';
import { AlignedPool } from './aligned-pool.js';
import { KernelHost } from './kernel-host.js';
import { hasDirectIo } from './testing/direct.js';
import { buildSamplerEntry } from './testing/sampler-entry.js';
import { SysfsTree, testNqn, uuidOf } from './testing/sysfs-tree.js';

let entry: URL;
beforeAll(async () => {
  const built = await buildSamplerEntry();
  entry = built.entry;
  return built.remove;
});

let dir: string;
let tree: SysfsTree;
let host: KernelHost;
let events: NodeEvent[];
let ran: string[];
let logged: string[];
let blind: Error | undefined;
/** Writes a line into the kernel's log or the trace. */
let say: (file: 'kmsg' | 'trace_pipe', line: string) => void;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-host-'));
  tree = new SysfsTree(dir);
  writeFileSync(join(tree.roots.dev, 'kmsg'), '');
  for (const event of ['nvme_async_event', 'nvme_setup_cmd', 'nvme_complete_rq']) mkdirSync(join(tree.roots.tracing, `instances/pathproof-host1-${process.pid}/events/nvme`, event), { recursive: true });
  events = [];
  ran = [];
  logged = [];
  blind = undefined;
  const heard = new Map<string, (line: string) => void>();
  say = (file, line) => heard.get(file)!(line);
  host = new KernelHost({
    name: 'host1', nqn: testNqn, hostNqn: 'nqn.host', hostId: 'id', policy: 'numa', ioQueues: 1, digests: { header: false, data: false }, timers: productionTimers,
    controllers: [{ gateway: 'gw1', fabric: 'a', traddr: '192.0.2.1', trsvcid: '4420' }, { gateway: 'gw1', fabric: 'b', traddr: '198.51.100.1', trsvcid: '4420' }, { gateway: 'gw2', fabric: 'a', traddr: '192.0.2.2', trsvcid: '4420' }],
    samplerEntry: entry, roots: tree.roots, emit: (event) => events.push(event), log: (line) => logged.push(line), onBlind: (error) => (blind = error),
    // Connecting makes the controller with paths to two namespaces.
    actions: { write: () => Promise.resolve(), run: (_program, args) => {
      ran.push(args.join(' '));
      if (args[0] !== 'connect') return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
      const traddr = args.find((arg) => arg.startsWith('--traddr='))!.slice('--traddr='.length);
      if (traddr === '198.51.100.1') return Promise.resolve({ exitCode: 1, stdout: '', stderr: 'no route' });
      const index = traddr === '192.0.2.1' ? 0 : 1;
      tree.addController({ name: `nvme${index}`, traddr, cntlid: index * 2040 + 1 });
      for (const nsid of [1, 2]) tree.addPath({ name: `nvme0c${index}n${nsid}`, controller: `nvme${index}`, nsid, group: nsid, ana: nsid - 1 === index ? 'optimized' : 'inaccessible' });
      return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
    } },
    openLines: (path, onLine) => {
      let end: (why: string) => void = () => undefined;
      heard.set(path.endsWith('kmsg') ? 'kmsg' : 'trace_pipe', onLine);
      return { ended: new Promise((resolve) => (end = resolve)), stop: () => end('') };
    },
  });
  for (const nsid of [1, 2]) tree.addHead(`nvme0n${nsid}`, nsid, { nguid: `0000000000000000000000000000000${nsid}` });
});
afterEach(async () => {
  await host.close();
  expect(blind).toBeUndefined();
  rmSync(dir, { recursive: true });
});

const ofType = <T extends NodeEvent['type']>(type: T): Extract<NodeEvent, { type: T }>[] => events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);

describe('KernelHost', () => {
  it('connects, sees its paths, and reports the path that failed', async () => {
    const { problems } = await host.connect([uuidOf(1), uuidOf(2)]);
    expect(problems).toEqual(['gw1 on fabric b (198.51.100.1:4420): nvme connect: no route']);
    expect(ofType('host.controller').map(({ controller, gateway, address, state, cntlid }) => [controller, gateway, address, state, cntlid])).toEqual([
      ['nvme0', 'gw1', '192.0.2.1:4420', 'live', 1], ['nvme1', 'gw2', '192.0.2.2:4420', 'live', 2041],
    ]);
    expect(ofType('host.path').map(({ path, gateway, nsid, anaGroup, ana, usable }) => `${path} ${gateway} ns${nsid} g${anaGroup} ${ana} ${usable}`)).toEqual([
      'nvme0c0n1 gw1 ns1 g1 optimized true', 'nvme0c0n2 gw1 ns2 g2 inaccessible false', 'nvme0c1n1 gw2 ns1 g1 inaccessible false', 'nvme0c1n2 gw2 ns2 g2 optimized true',
    ]);
    expect([host.usable(uuidOf(1)), host.usable(uuidOf(3))]).toEqual([true, false]);
  });

  it('names the namespaces that stay without a usable path, and what went wrong with the paths', async () => {
    await expect(host.connect([uuidOf(1), uuidOf(3)], { maxMs: 50 })).rejects.toMatchObject({
      code: 'HOST_NO_PATH', exitCode: 3, message: `no usable path within 0.05 s to ${uuidOf(3)}; gw1 on fabric b (198.51.100.1:4420): nvme connect: no route`,
    });
  });

  it('takes another path policy for what is connected, and keeps it', async () => {
    await host.connect([uuidOf(1)], { policy: 'round-robin' });
    const shown = join(tree.roots.sys, 'class/nvme-subsystem/nvme-subsys0/iopolicy');
    expect(readFileSync(shown, 'utf8').trim()).toBe('round-robin');
    await host.connect([uuidOf(1)]);
    expect(readFileSync(shown, 'utf8').trim()).toBe('round-robin');
  });

  it('tells changes as they come, in the harness’s time, and everything when asked', async () => {
    await host.connect([uuidOf(1)]);
    const beforeUs = nowUs();
    events.length = 0;
    tree.setState('nvme0', 'connecting');
    await host.flush();
    const changes = [...ofType('host.controller'), ...ofType('host.path')];
    expect(changes.map((event) => ('state' in event ? event.state : `${event.path} ${event.controllerState} ${event.usable}`))).toEqual(['connecting', 'nvme0c0n1 connecting false', 'nvme0c0n2 connecting false']);
    expect(new Set(changes.map(({ tUs }) => tUs)).size).toBe(1);
    expect(changes[0]!.tUs).toBeGreaterThan(beforeUs);
    expect(changes[0]!.tUs).toBeLessThanOrEqual(nowUs());
    events.length = 0;
    host.announce();
    expect([ofType('host.controller').length, ofType('host.path').length]).toEqual([2, 4]);
  });

  it('says what it has, and how densely it looked up to then', async () => {
    await host.connect([uuidOf(1), uuidOf(2)]);
    events.length = 0;
    await host.inventory('start');
    const [inventory] = ofType('host.inventory');
    expect(inventory).toMatchObject({
      host: 'host1', label: 'start',
      controllers: [{ controller: 'nvme0', gateway: 'gw1', address: '192.0.2.1:4420', cntlid: 1, subnqn: testNqn, state: 'live' }, { controller: 'nvme1', gateway: 'gw2' }],
      namespaces: [{ uuid: uuidOf(1), nguid: '00000000000000000000000000000001', nsid: 1, anaGroup: 1, blockSize: 4096, blocks: 16_384, gateways: ['gw1', 'gw2'] }, { nsid: 2, anaGroup: 2 }],
    });
    expect(ofType('host.counters')).toMatchObject([{ counters: {} }]);
    const coverage = ofType('observe.coverage').at(-1)!;
    expect(coverage).toMatchObject({ observer: 'host:host1' });
    expect(coverage.toUs).toBeGreaterThan(inventory!.tUs);
    expect(coverage.samples).toBeGreaterThan(0);
    expect(ran.at(-1)).toBe(`ana-log ${join(tree.roots.dev, 'nvme0')} --output-format=json`);
  });

  it('counts what each path carries', async () => {
    await host.connect([uuidOf(1)]);
    await host.flush();
    events.length = 0;
    tree.setStat('nvme0c0n1', { writes: 3, sectorsWritten: 24 });
    await host.flush();
    const rows = ofType('host.path-io').flatMap(({ paths }) => paths).filter(({ writes }) => writes > 0);
    expect(rows).toEqual([{ path: 'nvme0c0n1', controller: 'nvme0', gateway: 'gw1', nsUuid: uuidOf(1), nsid: 1, reads: 0, writes: 3, bytesRead: 0, bytesWritten: 12_288, inflightBefore: 0, errors: null }]);
  });

  it('tells the kernel’s log with the gateway, and takes from it why a controller was lost', async () => {
    await host.connect([uuidOf(1)]);
    // The mark that was written last is in the file.
    const { readFileSync } = await import('node:fs');
    say('kmsg', `15,1,1000,-;${readFileSync(join(tree.roots.dev, 'kmsg'), 'utf8').replace('<15>', '')}`);
    say('kmsg', '6,2,2000,-;nvme nvme1: starting error recovery');
    say('kmsg', '6,3,3000,-;block nvme0n1: no usable path - requeuing I/O');
    expect(ofType('kernel.log')).toMatchObject([{ topic: 'error-recovery', device: 'nvme1', gateway: 'gw2' }, { topic: 'no-path', device: 'nvme0n1' }]);
    expect(ofType('kernel.log')[1]).not.toHaveProperty('gateway');
    tree.setState('nvme1', 'resetting');
    tree.setState('nvme0', 'resetting');
    await host.flush();
    expect(ofType('host.controller').slice(-2)).toMatchObject([{ controller: 'nvme0', state: 'resetting' }, { controller: 'nvme1', cause: 'starting error recovery' }]);
    expect(ofType('host.controller').at(-2)).not.toHaveProperty('cause');
  });

  it('tells AENs and reads of the ANA log of its own controllers', async () => {
    await host.connect([uuidOf(1)]);
    const line = (event: string): string => `  kworker/0:0H-10 [000] .....   352.318378: ${event}`;
    for (const controller of ['nvme1', 'nvme77']) {
      say('trace_pipe', line(`nvme_async_event: ${controller}: NVME_AEN=0x0c0302 [NVME_AER_NOTICE]`));
      say('trace_pipe', line(`nvme_setup_cmd: ${controller}: qid=0, cmdid=5, nsid=4294967295, flags=0x0, meta=0x0, cmd=(nvme_admin_get_log_page cdw10=0c 00)`));
      say('trace_pipe', line(`nvme_complete_rq: ${controller}: qid=0, cmdid=5, res=0x0, retries=0, flags=0x0, status=0x0`));
    }
    expect(ofType('host.aen')).toEqual([{ type: 'host.aen', host: 'host1', controller: 'nvme1', gateway: 'gw2', result: 0x0c_0302, tUs: 352_318_378 }]);
    expect(ofType('host.ana-log')).toEqual([{ type: 'host.ana-log', host: 'host1', controller: 'nvme1', gateway: 'gw2', tookUs: 0, status: 0, tUs: 352_318_378 }]);
  });

  it('opens namespaces by their UUIDs, in the order asked for', async () => {
    await host.connect([uuidOf(1)]);
    const [two, one] = host.heads([uuidOf(2), uuidOf(1)]);
    expect([two!.name, one!.name]).toEqual(['nvme0n2', 'nvme0n1']);
    expect(() => host.heads([uuidOf(9)])).toThrow(expect.objectContaining({ code: 'HOST_NO_NAMESPACE' }) as Error);
    if (!hasDirectIo()) return;
    writeFileSync(join(tree.roots.dev, 'nvme0n2'), '');
    const device = host.open(two!, new AlignedPool(1, 4096));
    expect(device).toMatchObject({ path: join(tree.roots.dev, 'nvme0n2'), uuid: uuidOf(2), nsid: 2, blockSize: 4096, blocks: 16_384, transferMaxBytes: 4096 });
    device.close();
  });
});
