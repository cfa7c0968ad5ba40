import { z } from 'zod';
import type { NodeEvent } from '../../../history/index.js';
import { JournalWriter } from '../../../history/index.js';
import { MultipathHost } from '../../../initiator/userspace/index.js';
import type { DataHold, HeldTransfer, NamespaceHead } from '../../../initiator/userspace/index.js';
import { IoOpcode } from '../../../nvme/index.js';
import { LoopCoverage } from '../../../observe/loop-coverage.js';
import { namespacesOf } from '../../../plan/hosts.js';
import { pathPolicies } from '../../../plan/types.js';
import type { LabTimers, Plan } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { messageOf } from '../../../util/errors.js';
import { journalHeaderOf, StampRunner } from '../../../workload/stamp/index.js';
import type { NamespaceTotals, RereadResult } from '../../../workload/stamp/index.js';
import { runMember } from '../../member/member.js';
import type { MemberContext } from '../../member/member.js';

/** How long `connect` waits until every namespace has a usable path, unless the config says otherwise; the harness gives a request a minute. */
const connectMaxDefaultMs = 30_000;
/** The userspace multipath initiator and its workload as a process of their own. */
const controllerSchema = z.strictObject({ name: z.string().min(1).optional(), gateway: z.string().min(1), host: z.string().min(1), port: z.int().min(1).max(65_535) });
const configSchema = z.strictObject({
  name: z.string().min(1),
  hostNqn: z.string().min(1),
  hostId: z.string().min(1),
  subNqn: z.string().min(1),
  runId: z.string().min(1),
  /** The planner has checked it. */
  plan: z.custom<Plan>((value) => typeof value === 'object' && value !== null && 'topology' in value && 'workload' in value, 'a plan'),
  controllers: z.array(controllerSchema),
  journalFile: z.string().min(1),
  timers: z.custom<LabTimers>((value) => typeof value === 'object' && value !== null && 'katoMs' in value, 'the timers'),
  policy: z.enum(pathPolicies),
  ioQueues: z.int().min(1),
  digests: z.strictObject({ header: z.boolean(), data: z.boolean() }),
  connectMaxMs: z.int().min(1).default(connectMaxDefaultMs),
});
export type HostMemberConfig = z.input<typeof configSchema>;

const params = {
  label: z.strictObject({ label: z.string().min(1) }),
  reread: z.strictObject({ pass: z.enum(['at-once', 'delayed']), controller: z.string().optional() }),
  controllerName: z.strictObject({ name: z.string().min(1) }),
  releaseWrites: z.strictObject({ unserved: z.boolean().default(false) }),
  holdWrites: z.strictObject({ gateway: z.string().min(1), nsids: z.array(z.int().min(1)), perNamespace: z.int().min(1) }),
};

/** How long `holdWrites` waits for as many writes as were asked for; under load they come within milliseconds. */
const holdMaxMs = 2_000;
/**
 * A connect attempt into a link that drops everything must not outlast the attempts that the bounds
 * count, so it gets no longer than the delay between two of them; the limits keep it sensible when the
 * timers are scaled.
 */
const connectTimeoutMinMs = 500;
const connectTimeoutMaxMs = 3_000;

class HostMember {
  readonly #config: z.output<typeof configSchema>;
  readonly #context: MemberContext;
  readonly #host: MultipathHost;
  readonly #coverage: LoopCoverage;
  #journal: JournalWriter | undefined;
  #runner: StampRunner | undefined;
  #hold: DataHold | undefined;
  #closed: Promise<void> | undefined;

  constructor(config: z.output<typeof configSchema>, context: MemberContext) {
    this.#config = config;
    this.#context = context;
    const { timers, digests } = config;
    this.#host = new MultipathHost({
      name: config.name, subNqn: config.subNqn, hostNqn: config.hostNqn, hostId: config.hostId, policy: config.policy, ioQueues: config.ioQueues,
      headerDigest: digests.header, dataDigest: digests.data,
      katoMs: timers.katoMs, ioTimeoutMs: timers.ioTimeoutMs, adminTimeoutMs: timers.adminTimeoutMs, reconnectDelayMs: timers.reconnectDelayMs,
      ctrlLossTmoMs: timers.ctrlLossTmoMs, fastIoFailTmoMs: timers.fastIoFailTmoMs,
      connectTimeoutMs: Math.min(connectTimeoutMaxMs, Math.max(connectTimeoutMinMs, timers.reconnectDelayMs)),
    });
    this.#host.on((event) => context.emit(event));
    for (const { name, ...spec } of config.controllers) this.#host.addController(name === undefined ? spec : { ...spec, name });
    this.#coverage = new LoopCoverage({ observer: `host:${config.name}`, emit: (event: NodeEvent) => context.emit(event) });
  }

  /** Connects all controllers, waits for a usable path to every namespace of the plan, and opens the journal of those that are its own. `missing`: those that have none; then there is no journal, and nothing more to do. */
  async connect(): Promise<{ missing: string[] }> {
    if (this.#runner !== undefined) throw new Error('the host is connected already');
    await this.#host.connectAll().catch((error: unknown) => this.#context.log(messageOf(error)));
    const missing = await this.#missingPaths();
    if (missing.length > 0) return { missing };
    const { name, runId, plan, journalFile } = this.#config;
    const own = namespacesOf(plan.topology, name);
    const heads = own.map(({ uuid }) => this.#usableHead(uuid)!);
    // A version must name its writer, and 0 stands for none.
    const writer = plan.topology.hosts.findIndex((host) => host.name === name) + 1;
    this.#journal = JournalWriter.open(journalFile, journalHeaderOf(runId, name, writer, heads), { onError: (error) => this.#evidenceLost(error.message) });
    this.#runner = new StampRunner({
      host: name, runId, seed: plan.seed, writer, workload: plan.workload, devices: heads, journal: this.#journal,
      idleUuids: new Set(own.filter(({ idle }) => idle).map(({ uuid }) => uuid)),
      onStats: (event) => this.#context.emit({ ...event, tUs: event.toUs }),
      onReread: (event) => this.#context.emit(event),
      onDeviceError: (error) => this.#context.log(`a namespace head threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
      queuedOf: (device) => (device as NamespaceHead).requeue.depth,
    });
    return { missing: [] };
  }

  inventory(label: string): void {
    this.#host.emitInventory(label);
    this.#host.emitCounters();
    // The last inventory is the last thing that is judged: the record of what was looked at must reach it.
    this.#coverage.flush();
  }

  startLoad(): Promise<void> {
    return this.#connected().start();
  }

  async stopLoad(): Promise<void> {
    await this.#connected().stop();
    this.#host.emitCounters();
  }

  async reread(pass: 'at-once' | 'delayed', controller: string | undefined): Promise<RereadResult> {
    const result = await this.#connected().reread(pass, controller === undefined ? {} : { controller });
    for (const problem of result.problems) this.#context.log(`re-read ${pass}: ${problem}`);
    return result;
  }

  /** See HostNode.audit. */
  audit(): Promise<{ answered: number; refused: number }> {
    const refusing = ['inaccessible', 'persistent-loss'];
    return this.#connected().audit((device) => (device as NamespaceHead).paths
      .filter(({ ana, ready, controller }) => controller.state === 'live' && ready && refusing.includes(ana)).map(({ controllerName }) => controllerName));
  }

  /** See HostNode.holdWrites. One hold at a time. */
  async holdWrites({ gateway, nsids, perNamespace }: z.output<typeof params.holdWrites>): Promise<{ nsid: number; slba: number; nlb: number }[]> {
    if (this.#hold !== undefined) throw new Error('writes are held already');
    const taken = new Map(nsids.map((nsid) => [nsid, 0]));
    const hold = this.#host.holdBeforeH2cData(({ opcode, controller, nsid }) => {
      const already = taken.get(nsid);
      if (opcode !== IoOpcode.write || already === undefined || already >= perNamespace) return false;
      if (this.#host.controllers().find(({ name }) => name === controller)?.gateway !== gateway) return false;
      taken.set(nsid, already + 1);
      return true;
    }, { keepAssociation: true });
    this.#hold = hold;
    await Promise.race([hold.whenHeld(nsids.length * perNamespace), sleep(holdMaxMs)]);
    return hold.held.map(({ nsid, slba, nlb }) => ({ nsid, slba, nlb }));
  }

  /** See HostNode.releaseWrites. */
  releaseWrites({ unserved }: z.output<typeof params.releaseWrites>): { sent: number; dropped: number } {
    const hold = this.#hold;
    this.#hold = undefined;
    const nodes = new Map(this.#host.controllers().map(({ name, gateway }) => [name, gateway]));
    const served = ({ controller, nsid }: HeldTransfer): boolean => this.#host.heads().some((head) => head.nsid === nsid
      && head.paths.some((path) => nodes.get(path.controllerName) === nodes.get(controller) && path.controller.state === 'live' && path.ready && path.ana === 'optimized'));
    return hold?.release((transfer) => !unserved || !served(transfer)) ?? { sent: 0, dropped: 0 };
  }

  counters(): Record<string, number> {
    this.#host.emitCounters();
    return this.#host.counters();
  }

  stats(): NamespaceTotals[] {
    return this.#runner?.stats() ?? [];
  }

  /** Adds a controller and starts to connect it; resolves with its first result. */
  async addController({ name, ...spec }: z.output<typeof controllerSchema>): Promise<{ name: string; live: boolean }> {
    const controller = this.#host.addController(name === undefined ? spec : { ...spec, name });
    controller.start();
    return { name: controller.name, live: (await controller.firstConnect).live };
  }

  /** By its name or its gateway's. */
  async removeController(name: string): Promise<void> {
    const controller = this.#host.controllers().find((each) => (each.name === name || each.gateway === name) && each.state !== 'dead');
    if (controller === undefined) throw new Error(`no controller or gateway has the name ${name}`);
    await controller.delete();
  }

  tree(): unknown {
    return this.#host.tree();
  }

  prometheus(): string {
    return this.#host.prometheus();
  }

  /** Ends the load, closes the journal, then the controllers: in that order, so that the journal is whole even if a controller hangs. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#runner?.close();
      this.#journal?.close();
      await this.#host.close();
      this.#coverage.stop();
    })();
    return this.#closed;
  }

  #connected(): StampRunner {
    if (this.#runner === undefined) throw new Error('the host is not connected');
    return this.#runner;
  }

  #usableHead(uuid: string): NamespaceHead | undefined {
    return this.#host.heads().find((head) => head.uuid === uuid && head.paths.some(({ usable }) => usable));
  }

  /** Waits until every namespace of the plan has a usable path; those that have none when the time is over. */
  async #missingPaths(): Promise<string[]> {
    const { namespaces } = this.#config.plan.topology;
    const missing = (): string[] => namespaces.filter(({ uuid }) => this.#usableHead(uuid) === undefined).map(({ nsid, uuid }) => `namespace ${nsid} (${uuid})`);
    if (missing().length === 0) return [];
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        off();
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(finish, this.#config.connectMaxMs);
      const off = this.#host.on(() => {
        if (missing().length === 0) finish();
      });
    });
    return missing();
  }

  /** Without a journal nothing can be proved: the lab has to end, with the reason as the last line of this member's log. */
  #evidenceLost(reason: string): void {
    this.#context.log(reason);
    process.exit(1);
  }
}

runMember('host', async (rawConfig, context) => {
  const member = new HostMember(configSchema.parse(rawConfig), context);
  return {
    info: {},
    handlers: {
      connect: () => member.connect(),
      inventory: (p: unknown) => member.inventory(params.label.parse(p).label),
      startLoad: () => member.startLoad(),
      stopLoad: () => member.stopLoad(),
      reread: (p: unknown) => {
        const { pass, controller } = params.reread.parse(p);
        return member.reread(pass, controller);
      },
      audit: () => member.audit(),
      holdWrites: (p: unknown) => member.holdWrites(params.holdWrites.parse(p)),
      releaseWrites: (p: unknown) => member.releaseWrites(params.releaseWrites.parse(p ?? {})),
      counters: () => member.counters(),
      stats: () => member.stats(),
      addController: (p: unknown) => member.addController(controllerSchema.parse(p)),
      removeController: (p: unknown) => member.removeController(params.controllerName.parse(p).name),
      tree: () => member.tree(),
      prometheus: () => member.prometheus(),
      close: () => member.close(),
    },
    stop: () => member.close(),
  };
});
