import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeEvent } from '../../history/events.js';
import { parseNvmeGwShow, type NvmeGwShow } from '../../monitor/show-parser.js';
import { scaleTimers } from '../../plan/timers.js';
import { sleep } from '../../util/clock.js';
import { bundleGuestEntry } from '../guest/bundle.js';
import { memberFiles } from '../guest/supervisor.js';
import type { MemberMessage } from '../member/protocol.js';
import { decideKvm } from './accel.js';
import { ensureImage } from './image/image.js';
import { defaultRecipe } from './image/recipe.js';
import { fabricNames } from './network.js';
import { bootAll, makeNodes } from './nodes.js';
import { linesProgress } from './progress.js';
import { provisionCeph, type CephAuth, type CephCluster } from './provision/ceph.js';
import { gatewayConfig, gatewayModules, installGateway, startGateway } from './provision/gateway.js';
import { startSwitch, type RunningSwitch } from './switch/index.js';
import { ensureKeys } from './vm/keys.js';
import type { ExecStream, Ssh } from './vm/ssh.js';
import type { QemuVm } from './vm/vm.js';

export const gatewayNames = ['gw1', 'gw2'] as const;
export type GatewayName = (typeof gatewayNames)[number];
export const pool = 'rbd';
export const group = 'g';
export const nqn = 'nqn.2026-01.io.pathproof:lab';
export const namespaces = [1, 2].map((nsid) => ({
  nsid, anaGroup: nsid, image: `img${nsid}`, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: `0123456789abcdef000000000000000${nsid}`,
}));

/** A cluster and two gateways that use it, as virtual machines; made for tests, step by step and printing what each took. */
export class GatewayLab {
  readonly cluster: CephCluster;
  readonly fabrics: RunningSwitch;
  readonly #dir: string;
  readonly #nodes: Map<string, QemuVm>;

  private constructor(dir: string, nodes: Map<string, QemuVm>, fabrics: RunningSwitch, cluster: CephCluster) {
    this.#dir = dir;
    this.#nodes = nodes;
    this.fabrics = fabrics;
    this.cluster = cluster;
  }

  static async up(auth: CephAuth): Promise<GatewayLab> {
    const image = await ensureImage(defaultRecipe(), { progress: (line) => console.log(line) });
    const accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    const dir = mkdtempSync(join(tmpdir(), 'ppgw-'));
    const progress = linesProgress((line) => console.log(line));
    const names = ['ceph', ...gatewayNames];
    const fabrics = await startSwitch({ dir, seed: 'gateway test', fabrics: fabricNames.map((name) => ({ name, nodes: names })) }, join(dir, 'switch.log'));
    const nodes = makeNodes([
      // The cluster's node is also the host: a fourth machine would only be slower.
      { name: 'ceph', memoryMb: 1_536, cpus: 1, alsoKnownAs: ['mon', 'osd'], modules: ['nvme-tcp'] },
      ...gatewayNames.map((name) => ({ name, memoryMb: 512, cpus: 1, modules: gatewayModules })),
    ], { image, accel, keys: await ensureKeys(dir), dir, logDir: join(dir, 'logs'), progress });
    try {
      await bootAll(nodes.values(), () => undefined);
      const cluster = await provisionCeph(nodes.get('ceph')!.ssh, {
        auth, objectStore: 'memstore', storeMb: 256, pool, group, gateways: gatewayNames, images: namespaces.map(({ image: name }) => ({ name, megabytes: 64 })),
      }, progress);
      const lab = new GatewayLab(dir, nodes, fabrics, cluster);
      const program = await bundleGuestEntry('gateway');
      await Promise.all(gatewayNames.map((name) => installGateway(lab.ssh(name), gatewayConfig({
        name, pool, group, nqn, serial: 'PPLAB0001', namespaces, timers: scaleTimers(1), onFenced: 'end',
      }, cluster), program)));
      return lab;
    } catch (error) {
      for (const vm of nodes.values()) await vm.kill();
      await fabrics.end();
      throw error;
    }
  }

  async down(): Promise<void> {
    for (const vm of this.#nodes.values()) await vm.kill();
    await this.fabrics.end();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  ssh(node: string): Ssh {
    return this.#nodes.get(node)!.ssh;
  }

  /** Starts a gateway and attaches to it when its process listens. */
  async start(name: GatewayName): Promise<GuestMember> {
    await startGateway(this.ssh(name), name);
    return this.attach(name);
  }

  async attach(name: GatewayName, timeoutMs = 60_000): Promise<GuestMember> {
    const { socket, exit, log } = memberFiles(name);
    await until(`${name} listens`, async () => {
      const { stdout } = await this.ssh(name).exec(`[ -S ${socket} ] && echo up; [ -e ${exit} ] && tail -n 3 ${log}; true`);
      if (stdout.includes('supervisor: process')) throw new Error(`${name} ended: ${stdout}`);
      return stdout.startsWith('up');
    }, timeoutMs);
    return GuestMember.attach(this.ssh(name), name);
  }

  async show(): Promise<NvmeGwShow> {
    return parseNvmeGwShow(await this.cluster.shell.must({ prefix: 'nvme-gw show', pool, group, format: 'json' }));
  }

  /** Waits until the monitor has these gateways ACTIVE, in the order of the ANA groups. */
  untilActive(owners: readonly string[], timeoutMs = 90_000): Promise<number> {
    return until(`the groups are ACTIVE at ${owners.join(', ')}`, async () => {
      const { gateways } = await this.show();
      return owners.every((owner, at) => gateways.every(({ id, states }) => (states[String(at + 1)] === 'ACTIVE') === (id === owner)));
    }, timeoutMs);
  }

  async blocklist(): Promise<string> {
    return this.cluster.shell.must({ prefix: 'osd blocklist ls', format: 'json' });
  }

  /** The exit status of a gateway's process once it has ended. */
  async exitOf(name: GatewayName, timeoutMs = 60_000): Promise<number> {
    let status = '';
    await until(`${name} ends`, async () => {
      status = (await this.ssh(name).exec(`cat ${memberFiles(name).exit} 2>/dev/null; true`)).stdout.trim();
      return status !== '';
    }, timeoutMs);
    return Number(status);
  }

  /** Cuts a gateway's link to one address of the cluster; the frames vanish. */
  async cut(name: GatewayName, ipv4: string): Promise<() => Promise<unknown>> {
    const rule = await this.fabrics.client.add({ fabric: 'a', node: name, direction: 'both', match: { ipv4 }, action: { kind: 'cut' } });
    return () => this.fabrics.client.heal(rule);
  }
}

/** Polls; resolves with the milliseconds that it took, and prints them. */
export async function until(what: string, check: () => Promise<boolean>, timeoutMs: number): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    if (await check()) break;
    if (performance.now() - startedMs > timeoutMs) throw new Error(`not within ${timeoutMs / 1_000} s: ${what}`);
    await sleep(100);
  }
  const ms = Math.round(performance.now() - startedMs);
  console.log(`  ${(ms / 1_000).toFixed(1)} s until ${what}`);
  return ms;
}

type Reply = Extract<MemberMessage, { kind: 'reply' }>;
type Replies = Map<number, (message: Reply) => void>;

/** A gateway's socket, through a process in the guest that copies between it and an SSH channel. */
export class GuestMember {
  readonly info: { storeAddress: string; pid: number };
  readonly events: NodeEvent[];
  readonly #stream: ExecStream;
  readonly #replies: Replies;
  #id = 0;

  private constructor(stream: ExecStream, info: unknown, events: NodeEvent[], replies: Replies) {
    this.#stream = stream;
    this.info = info as { storeAddress: string; pid: number };
    this.events = events;
    this.#replies = replies;
  }

  static async attach(ssh: Ssh, name: string): Promise<GuestMember> {
    const events: NodeEvent[] = [];
    const replies: Replies = new Map();
    let ready: (info: unknown) => void = () => undefined;
    const started = new Promise<unknown>((resolve) => { ready = resolve; });
    const copy = `const s=require('net').connect('${memberFiles(name).socket}');process.stdin.pipe(s).pipe(process.stdout)`;
    const stream = ssh.stream(`exec node -e "${copy}"`, (line) => {
      const message = JSON.parse(line) as MemberMessage;
      if (message.kind === 'ready') ready(message.info);
      else if (message.kind === 'event') events.push(message.event);
      else replies.get(message.id)?.(message);
    });
    return new GuestMember(stream, await started, events, replies);
  }

  async request(method: string, params: unknown = {}): Promise<unknown> {
    const id = ++this.#id;
    const reply = new Promise<Reply>((resolve) => this.#replies.set(id, resolve));
    this.#stream.write(`${JSON.stringify({ kind: 'request', id, method, params })}\n`);
    const { error, result } = await reply;
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** The last report of the target about itself. */
  get state(): Extract<NodeEvent, { type: 'gw.state' }> | undefined {
    return this.events.filter((event) => event.type === 'gw.state').at(-1);
  }

  close(): void {
    this.#stream.stop();
  }
}
