import { createHash } from 'node:crypto';
import { faultSpecs } from '../fault/specs.js';
import type { FaultName } from '../fault/specs.js';
import { usageError } from '../util/errors.js';
import { withoutUndefined } from '../util/defined.js';
import { Random } from '../util/random.js';
import { deriveBounds } from './bounds.js';
import { hasBlockDevices } from './fits.js';
import { deriveExpectations, hasOverlap, loadedGroupsOf, returnOf } from './expectations.js';
import { resolveFioJobs } from './fio.js';
import { scenarioSchema, type Scenario, type ScenarioStep } from './scenario.js';
import { hasKernelHosts, hasRealParts, nominalPlatform } from './platform.js';
import { thrashSteps } from './thrash.js';
import { thresholdList } from './thresholds.js';
import { loopbackTimeScale, productionTimers, scaleTimers, virtualMachineTimers } from './timers.js';
import type { Expectations, InventoryPlatform, LabKind, LabPlatform, LabShape, LabTimers, Plan, PlanStep, StampWorkload, Topology, VirtualMachines } from './types.js';

/** Settings of a run that are neither in the suite nor random: they are part of the plan's input. */
export interface PlanOptions {
  seed: string;
  lab: LabKind;
  /** Overrides of the scenario's lab, from the command line. */
  gateways?: number;
  hosts?: number;
  namespaces?: number;
  anaGroups?: number;
  timeScale?: number;
  defects?: string[];
  /** What the nodes of the lab have, where it has virtual machines; the rest is at its defaults. */
  machines?: Partial<VirtualMachines>;
  /** The file of an inventory, as it was given: for the command that repeats a run. */
  inventoryFile?: string;
  /** What the lab's nodes run on, once it was looked at. Default: what is usual; an inventory has no usual. */
  platform?: LabPlatform;
}

const defaultShape = {
  gateways: 2, hosts: 1, namespaces: 4, anaGroups: 2, blockSize: 4_096, namespaceMiB: 16, policy: 'numa', ioQueues: 2, headerDigest: true, dataDigest: true,
} as const;

const defaultWorkload: Omit<StampWorkload, 'kind'> = {
  queueDepth: 4, readPercent: 50, ioBytes: [4_096, 8_192, 16_384, 65_536], workingSetBlocks: 1_024, maxIops: 400,
  idleNamespaces: 1, probePeriodMs: 100, delayedRereadMs: 2_000,
};

/**
 * Emulated nodes share this machine's processors with each other and with the harness. A load that leaves them some
 * rest shows what the system does; one that does not shows only who gets the processor.
 */
const emulatedWorkload: Partial<StampWorkload> = { queueDepth: 2, ioBytes: [4_096, 16_384], workingSetBlocks: 1_024, maxIops: 30, probePeriodMs: 250 };

/** The kernel's target shows the block size of the device behind it, and that of an RBD image is 512 bytes (linux drivers/block/rbd.c). */
const rbdBlockSize = 512;

/**
 * Resolves a scenario: a pure function of its arguments. The same scenario, seed and lab give the same
 * plan, byte for byte. Throws a usage error (exit 64) that names the field when something does not fit.
 */
export function planScenario(suite: string, input: Scenario, options: PlanOptions): Plan {
  const scenario = scenarioSchema.parse(input);
  const where = `scenario ${scenario.name}`;
  const random = new Random(`${options.seed}/${suite}/${scenario.name}`);
  const platform = options.platform ?? nominalPlatform(options.lab, options.machines);
  const shape = resolveShape(where, scenario, options, platform);
  const emulated = platform.machines !== undefined || platform.kernelHosts === true || platform.accel === 'tcg';
  const workload: StampWorkload = { kind: 'stamp', ...defaultWorkload, ...(emulated ? emulatedWorkload : {}), ...withoutUndefined(scenario.workload ?? {}) };
  checkShape(where, shape, workload, platform.inventory);
  const topology = !hasRealParts(platform)
    ? resolveTopology(`${suite}/${scenario.name}`, shape, workload, random.fork('topology'))
    // Machines are set up once and used by many runs: who they are must not depend on the run.
    : resolveTopology(setupName(options.lab, platform), shape, workload, new Random(`${setupName(options.lab, platform)}/topology`), platform.inventory);
  const bounds = deriveBounds(shape, platform);
  const expect: Expectations = {
    quietStall: 'quietStall', convergence: `convergence${returnOf(faultsIn(scenario.steps))}`, stalls: [], overlaps: [], takeovers: [],
    failedIoMax: scenario.expect?.failedIoMax ?? 0,
    ...(scenario.expect?.thresholds === undefined ? {} : { thresholds: thresholdList(scenario.expect.thresholds) }),
  };
  const steps = resolveSteps(where, scenario.steps, topology, options.lab, random.fork('targets'), platform);
  deriveExpectations(steps, topology, expect, hasKernelHosts(platform) ? 'kernel' : 'userspace');
  const known = new Set(bounds.map((bound) => bound.name));
  for (const name of boundNamesOf(steps, expect)) {
    if (!known.has(name)) throw usageError('UNKNOWN_BOUND', `${where}: no bound is named ${name}`, `Bounds: ${[...known].join(', ')}`);
  }
  return {
    format: 1, suite, scenario: scenario.name, title: scenario.title, description: scenario.description,
    seed: options.seed, lab: options.lab, shape, platform, topology, workload,
    ...(scenario.fio === undefined || (scenario.fioOptional === true && !hasBlockDevices(options.lab)) ? {} : { fio: resolveFioJobs(where, scenario.fio, topology, workload, random.fork('fio')) }),
    steps, bounds, expect,
    defects: [...(options.defects ?? [])].sort(),
  };
}

function resolveShape(where: string, scenario: Scenario, options: PlanOptions, platform: LabPlatform): LabShape {
  const { timeScale, timers, ...lab } = withoutUndefined(scenario.lab ?? {});
  const there = platform.inventory;
  const gateways = options.gateways ?? lab.gateways ?? there?.gateways ?? defaultShape.gateways;
  return {
    ...defaultShape,
    ...lab,
    // Off by default in Linux, and dear to an emulated processor.
    ...(!hasKernelHosts(platform) ? {} : { headerDigest: lab.headerDigest ?? false, dataDigest: lab.dataDigest ?? false }),
    blockSize: resolveBlockSize(where, lab.blockSize, platform),
    gateways,
    hosts: options.hosts ?? lab.hosts ?? there?.hosts ?? defaultShape.hosts,
    namespaces: options.namespaces ?? lab.namespaces ?? there?.namespaces.length ?? defaultShape.namespaces,
    ...(there === undefined ? {} : { namespaceMiB: Math.min(...there.namespaces.map(({ mebibytes }) => mebibytes)) }),
    anaGroups: there?.subsystem === undefined ? options.anaGroups ?? lab.anaGroups ?? Math.min(gateways, defaultShape.anaGroups) : there.gateways,
    timers: resolveTimers(where, options, timeScale, withoutUndefined(timers ?? {}), there),
  };
}

function resolveBlockSize(where: string, wanted: number | undefined, platform: LabPlatform): number {
  if (!hasRealParts(platform)) return wanted ?? defaultShape.blockSize;
  if (wanted !== undefined && wanted !== rbdBlockSize) throw usageError('BAD_SHAPE', `${where}: lab.blockSize: namespaces on kernel RBD have blocks of ${rbdBlockSize} bytes, not ${wanted}`, 'Leave blockSize away for this lab.');
  return rbdBlockSize;
}

function resolveTimers(where: string, options: PlanOptions, timeScale: number | undefined, timers: Partial<LabTimers>, there?: InventoryPlatform): LabTimers {
  if (options.lab === 'loopback') return scaleTimers(options.timeScale ?? timeScale ?? loopbackTimeScale, timers);
  // Real parts have timers that nobody can set; a scenario's own scale is meant for the embedded lab.
  if (options.timeScale !== undefined && options.timeScale !== 1) {
    throw usageError('TIME_SCALE', `${where}: the timers of the ${options.lab} lab are real and cannot be scaled`, 'Leave --time-scale away.');
  }
  // A gateway that is there already has its own, whatever a scenario would like.
  return scaleTimers(1, { ...virtualMachineTimers, ...timers, ...(there?.subsystem === undefined ? {} : { disconnectPanicMs: productionTimers.disconnectPanicMs, ...there.subsystem.timers }) });
}

/** Those who are set up once and used by many runs: their identities come from this name. */
function setupName(lab: LabKind, { inventory }: LabPlatform): string {
  return inventory === undefined ? lab : `${lab}/${inventory.name}`;
}

function checkShape(where: string, shape: LabShape, workload: StampWorkload, there?: InventoryPlatform): void {
  const fail = (field: string, text: string): never => {
    throw usageError('BAD_SHAPE', `${where}: ${field}: ${text}`);
  };
  if (there !== undefined) {
    const has = { gateways: there.gateways, hosts: there.hosts, namespaces: there.namespaces.length };
    for (const what of ['gateways', 'hosts', 'namespaces'] as const) if (shape[what] !== has[what]) fail(`lab.${what}`, `${shape[what]} are wanted, the inventory ${there.name} has ${has[what]}`);
  }
  if (shape.anaGroups > shape.gateways) fail('lab.anaGroups', `${shape.anaGroups} groups need as many gateways, there are ${shape.gateways}`);
  if (workload.idleNamespaces >= shape.namespaces) fail('workload.idleNamespaces', `${workload.idleNamespaces} of ${shape.namespaces} namespaces idle leaves none for load`);
  const loaded = shape.namespaces - workload.idleNamespaces;
  // They take turns with the namespaces, and the idle ones come last.
  if (hostCount(shape) > loaded) fail('lab.hosts', `${hostCount(shape)} hosts need as many namespaces with load, there are ${loaded}`);
  const blocks = (shape.namespaceMiB * 1_048_576) / shape.blockSize;
  if (workload.workingSetBlocks > blocks) fail('workload.workingSetBlocks', `${workload.workingSetBlocks} is more than the namespace has (${blocks})`);
  for (const bytes of workload.ioBytes) {
    if (bytes % shape.blockSize !== 0) fail('workload.ioBytes', `${bytes} is no multiple of the block size ${shape.blockSize}`);
    if (bytes / shape.blockSize > workload.workingSetBlocks) fail('workload.ioBytes', `${bytes} bytes do not fit into ${workload.workingSetBlocks} blocks`);
  }
}

function resolveTopology(name: string, shape: LabShape, workload: StampWorkload, random: Random, inventory?: InventoryPlatform): Topology {
  const gateways = Array.from({ length: shape.gateways }, (_, index) => ({ name: `gw${index + 1}`, index, anaGroup: index + 1 }));
  const blocks = (shape.namespaceMiB * 1_048_576) / shape.blockSize;
  const namespaces = Array.from({ length: shape.namespaces }, (_, i) => ({
    nsid: i + 1,
    uuid: uuidOf(random),
    nguid: bytesOf(random, 16).toString('hex'),
    anaGroup: (i % shape.anaGroups) + 1,
    ...inventory?.namespaces[i]?.identity,
    blockSize: shape.blockSize,
    blocks: inventory === undefined ? blocks : (inventory.namespaces[i]!.mebibytes * 1_048_576) / shape.blockSize,
    idle: i >= shape.namespaces - workload.idleNamespaces,
    host: `host${(i % hostCount(shape)) + 1}`,
    image: inventory?.namespaces[i]?.image ?? `image${i + 1}`,
  }));
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return {
    pool: inventory?.pool ?? 'rbd', group: inventory?.group ?? 'grp1', nqn: inventory?.subsystem?.nqn ?? `nqn.2026-01.io.pathproof:${hash}`, gateways, namespaces,
    hosts: resolveHosts(hostCount(shape), random, inventory?.subsystem?.hostNqns),
  };
}

/** Further hosts have a generator of their own, so that the first is the same whether there are any or not. */
function resolveHosts(count: number, random: Random, hostNqns: Readonly<Record<string, string>> = {}): Topology['hosts'] {
  const host = (index: number, from: Random): Topology['hosts'][number] => ({
    name: `host${index + 1}`, hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${uuidOf(from)}`, hostId: bytesOf(from, 16).toString('hex'),
    ...hostIdentityOf(hostNqns[`host${index + 1}`]),
  });
  const further = random.fork('hosts');
  return Array.from({ length: count }, (_, index) => host(index, index === 0 ? random : further));
}

/** A host NQN of UUID form goes with that UUID as the host's identifier: Linux refuses one NQN with two of them. */
function hostIdentityOf(hostNqn: string | undefined): { hostNqn?: string; hostId?: string } {
  if (hostNqn === undefined) return {};
  const uuid = /:uuid:([0-9a-f-]{36})$/i.exec(hostNqn)?.[1];
  return { hostNqn, ...(uuid === undefined ? {} : { hostId: uuid.replaceAll('-', '').toLowerCase() }) };
}

function hostCount(shape: LabShape): number {
  return shape.hosts ?? defaultShape.hosts;
}

/** `count` bytes (a multiple of 4) from the seed. */
function bytesOf(random: Random, count: number): Buffer {
  const bytes = Buffer.allocUnsafe(count);
  for (let at = 0; at < count; at += 4) bytes.writeUInt32LE(random.u32(), at);
  return bytes;
}

/** A version-4 UUID (RFC 9562 §5.4) from the seed. */
function uuidOf(random: Random): string {
  const b = bytesOf(random, 16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  const hex = b.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function resolveSteps(where: string, steps: ScenarioStep[], topology: Topology, lab: LabKind, random: Random, platform: LabPlatform): PlanStep[] {
  const injected = new Map<string, { target: string; fault: keyof typeof faultSpecs; healed: boolean }>();
  const resolved: PlanStep[] = [];
  steps.forEach((step, index) => {
    const at = `${where}: steps.${index}`;
    switch (step.do) {
      case 'phase':
      case 'run':
        resolved.push(step);
        break;
      case 'inject': {
        if (injected.has(step.id)) throw usageError('BAD_SCENARIO', `${at}: a second fault has the id ${step.id}`);
        const target = resolveTarget(at, step.target, topology, random);
        injected.set(step.id, { target, fault: step.fault, healed: false });
        resolved.push({ do: 'inject', id: step.id, fault: step.fault, target, params: step.params ?? {}, ...(step.confirm === undefined ? {} : { confirm: step.confirm }), ...(step.random === undefined ? {} : { random: step.random }) });
        break;
      }
      case 'thrash':
        resolved.push(...thrashSteps(step, topology, lab, random.fork(`thrash-${index}`), `t${index}`, platform));
        break;
      case 'await':
        if (step.what === 'takeover') {
          const fault = injected.get(step.of);
          if (fault === undefined) throw usageError('BAD_SCENARIO', `${at}.of: no fault ${step.of} was injected before`);
          // Alone in its group, a gateway has nobody who could take over: there is nothing to wait for.
          for (const group of topology.gateways.length > 1 ? loadedGroupsOf(fault.target, topology) : []) {
            resolved.push({ do: 'await', condition: { kind: 'takeover', group, not: fault.target }, bound: step.bound ?? faultSpecs[fault.fault].consequences.takeoverBound });
          }
        } else {
          resolved.push({ do: 'await', condition: { kind: 'home' }, bound: step.bound ?? '' });
        }
        break;
      case 'heal': {
        const fault = injected.get(step.id);
        if (fault === undefined || fault.healed) throw usageError('BAD_SCENARIO', `${at}.id: no fault ${step.id} is there to be healed`);
        fault.healed = true;
        resolved.push({ do: 'heal', id: step.id, ...(step.confirm === undefined ? {} : { confirm: step.confirm }) });
        break;
      }
    }
  });
  for (const [id, fault] of injected) {
    if (!fault.healed) throw usageError('BAD_SCENARIO', `${where}: the fault ${id} is never healed`, 'Every inject needs a heal: the end of a scenario is judged on a healthy lab.');
  }
  // Until here it was not known whether faults overlap, which decides how long the way home may take.
  const home = `${hasOverlap(resolved) ? 'overlapHome' : 'homeAwait'}${returnOf(faultsIn(steps))}`;
  return resolved.map((step) => (step.do === 'await' && step.bound === '' ? { ...step, bound: home } : step));
}

function faultsIn(steps: readonly ScenarioStep[]): FaultName[] {
  return steps.flatMap((step) => (step.do === 'inject' ? [step.fault] : []));
}

function resolveTarget(at: string, target: string, topology: Topology, random: Random): string {
  const owners = topology.gateways.filter((g) => loadedGroupsOf(g.name, topology).length > 0);
  if (target === 'random-owner') return owners[random.int(owners.length)]!.name;
  const group = /^owner-of:(\d+)$/.exec(target)?.[1];
  const gateway = group === undefined
    ? topology.gateways.find((g) => g.name === target)
    : topology.gateways.find((g) => g.anaGroup === Number(group));
  if (gateway === undefined) throw usageError('BAD_SCENARIO', `${at}.target: ${target} does not exist in this lab`, `Gateways: ${topology.gateways.map((g) => g.name).join(', ')}`);
  return gateway.name;
}

function* boundNamesOf(steps: PlanStep[], expect: Expectations): Generator<string> {
  for (const step of steps) if (step.do === 'await') yield step.bound;
  yield expect.quietStall;
  yield expect.convergence;
  for (const { bound } of [...expect.stalls, ...expect.overlaps]) yield bound;
}
