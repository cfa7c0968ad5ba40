import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeEvent } from '../../history/events.js';
import { parseNvmeGwShow, type NvmeGwShow } from '../../monitor/show-parser.js';
import { scaleTimers } from '../../plan/timers.js';
import { sleep } from '../../util/clock.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { GuestGatewayInfo } from '../guest/gateway-member.js';
import type { GuestGatewayConfig } from '../guest/gateway-config.js';
import { memberFiles } from '../guest/supervisor.js';
import { decideKvm } from './accel.js';
import { ensureImage } from './image/image.js';
import { defaultRecipe } from './image/recipe.js';
import { addressOf, fabricNames } from './network.js';
import { bootAll, makeNodes } from './nodes.js';
import { GuestPrograms } from './programs.js';
import { linesProgress } from './progress.js';
import { gatewayEntity, provisionCeph, type CephAuth, type CephCluster } from './provision/ceph.js';
import { gatewayModules, gatewayPort } from './provision/gateway.js';
import { startSwitch, type RunningSwitch } from './switch/index.js';
import { ensureKeys } from './vm/keys.js';
import type { Ssh } from './vm/ssh.js';
import type { QemuVm } from './vm/vm.js';

export const gatewayNames = ['gw1', 'gw2'] as const;
export type GatewayName = (typeof gatewayNames)[number];
const pool = 'rbd';
const group = 'g';
export const nqn = 'nqn.2026-01.io.pathproof:lab';
const namespaces = [1, 2].map((nsid) => ({
  nsid, anaGroup: nsid, image: `img${nsid}`, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: `0123456789abcdef000000000000000${nsid}`,
}));

/** A cluster and two gateways that use it, as virtual machines; made for tests, step by step and printing what each took. */
export class GatewayLab {
  readonly cluster: CephCluster;
  readonly #fabrics: RunningSwitch;
  readonly #dir: string;
  readonly #nodes: Map<string, QemuVm>;
  readonly #programs: GuestPrograms;

  private constructor(dir: string, nodes: Map<string, QemuVm>, fabrics: RunningSwitch, cluster: CephCluster, programs: GuestPrograms) {
    this.#dir = dir;
    this.#nodes = nodes;
    this.#fabrics = fabrics;
    this.cluster = cluster;
    this.#programs = programs;
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
      await bootAll(nodes.values(), progress);
      const cluster = await provisionCeph(nodes.get('ceph')!.ssh, {
        auth, objectStore: 'memstore', storeMb: 256, pool, group, gateways: gatewayNames, images: namespaces.map(({ image: name }) => ({ name, megabytes: 64 })),
      }, progress);
      const programs = await GuestPrograms.bundle();
      await Promise.all(gatewayNames.map((name) => programs.install(nodes.get(name)!.ssh, 'gateway', name, configOf(name, cluster))));
      return new GatewayLab(dir, nodes, fabrics, cluster, programs);
    } catch (error) {
      for (const vm of nodes.values()) await vm.kill();
      await fabrics.end();
      throw error;
    }
  }

  async down(): Promise<void> {
    for (const vm of this.#nodes.values()) await vm.kill();
    await this.#fabrics.end();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  ssh(node: string): Ssh {
    return this.#nodes.get(node)!.ssh;
  }

  /** Returns at once; see `startCommand`. */
  launch(name: GatewayName): Promise<void> {
    return this.#programs.start(this.ssh(name), 'gateway', name);
  }

  /** Starts a gateway and attaches to it when its process listens. */
  async start(name: GatewayName): Promise<TestGateway> {
    await this.launch(name);
    return this.attach(name);
  }

  async attach(name: GatewayName, timeoutMs = 60_000): Promise<TestGateway> {
    const startedMs = performance.now();
    const events: NodeEvent[] = [];
    const member = await AttachedMember.attach({ name, ssh: this.ssh(name), dir: this.#dir, timeoutMs, onEvent: (event) => events.push(event) });
    console.log(`  ${((performance.now() - startedMs) / 1_000).toFixed(1)} s until ${name} listens and its clock is measured`);
    return new TestGateway(member, events);
  }

  async show(): Promise<NvmeGwShow> {
    return parseNvmeGwShow(await this.cluster.shell.must({ prefix: 'nvme-gw show', pool, group, format: 'json' }));
  }

  /** Waits until the monitor has these gateways ACTIVE, in the order of the ANA groups. */
  async untilActive(owners: readonly string[], timeoutMs = 90_000): Promise<number> {
    let last: NvmeGwShow | undefined;
    try {
      return await until(`the groups are ACTIVE at ${owners.join(', ')}`, async () => {
        last = await this.show();
        const { gateways } = last;
        return owners.every((owner, at) => gateways.every(({ id, states }) => (states[String(at + 1)] === 'ACTIVE') === (id === owner)));
      }, timeoutMs);
    } catch (error) {
      console.log(JSON.stringify(last));
      for (const name of gatewayNames) console.log((await this.ssh(name).exec(`tail -n 20 ${memberFiles(name).log}`, { okCodes: 'any' })).stdout);
      throw error;
    }
  }

  async blocklist(): Promise<string> {
    return this.cluster.shell.must({ prefix: 'osd blocklist ls', format: 'json' });
  }

  /** As a shell has it, once the gateway's process has ended. */
  async exitOf(name: GatewayName, timeoutMs = 60_000): Promise<number | string | null> {
    const { exitCode, signal } = await this.#programs.exitOf(this.ssh(name), name, timeoutMs);
    return signal ?? exitCode;
  }

  /** Cuts a gateway's link to one address of the cluster; the frames vanish. Returns how to heal it. */
  async cut(name: GatewayName, ipv4: string): Promise<() => Promise<unknown>> {
    const rule = await this.#fabrics.client.add({ fabric: 'a', node: name, direction: 'both', match: { ipv4 }, action: { kind: 'cut' } });
    return () => this.#fabrics.client.heal(rule);
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

function configOf(name: GatewayName, { auth, monHosts, entities }: CephCluster): GuestGatewayConfig {
  const { secret } = entities.get(gatewayEntity(name))!;
  return {
    name, pool, group, nqn, serial: 'PPLAB0001', namespaces, timers: scaleTimers(1), onFenced: 'end', monHosts: [...monHosts],
    auth: auth === 'cephx' ? { kind: 'cephx', entity: gatewayEntity(name), secret } : { kind: 'none' },
    listeners: fabricNames.map((fabric) => ({ host: addressOf(fabric, name), port: gatewayPort })),
  };
}

export class TestGateway {
  readonly events: readonly NodeEvent[];
  readonly info: GuestGatewayInfo;
  readonly #member: AttachedMember;

  constructor(member: AttachedMember, events: readonly NodeEvent[]) {
    this.#member = member;
    this.events = events;
    this.info = member.info as GuestGatewayInfo;
  }

  request(method: string): Promise<unknown> {
    return this.#member.request(method);
  }

  /** The last report of the target about itself. */
  get state(): Extract<NodeEvent, { type: 'gw.state' }> | undefined {
    return this.events.filter((event) => event.type === 'gw.state').at(-1);
  }

  close(): void {
    this.#member.close();
  }
}
