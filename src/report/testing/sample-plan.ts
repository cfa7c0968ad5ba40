import type { Bound, Plan } from '../../plan/types.js';

/** Size and temper of the synthetic run. */
export interface SampleOptions {
  gateways?: number;
  namespaces?: number;
  /** The takeover gateway turns optimized before the old owner is fenced and comes back late: three checks fail. */
  broken?: boolean;
  /** Text that ends up in names, logs and evidence, to try the escaping. */
  hostile?: string;
}

const uuidOf = (nsid: number): string => `6f1d2c00-5a1b-4c7e-9d10-${nsid.toString(16).padStart(12, '0')}`;

function bound(name: string, terms: Bound['terms']): Bound {
  return { name, ms: terms.reduce((sum, term) => sum + term.ms, 0), terms };
}

/** The plan of a smoke run: the owner of group 1 is killed under load, comes back and takes its group again. */
export function samplePlan(options: SampleOptions): Plan {
  const gatewayCount = options.gateways ?? 2;
  const namespaceCount = options.namespaces ?? 4;
  const gateways = Array.from({ length: gatewayCount }, (_, index) => ({ name: `gw${index + 1}`, index, anaGroup: index + 1 }));
  const anaGroups = Math.min(gatewayCount, namespaceCount);
  return {
    format: 1,
    suite: 'suites/smoke.suite.ts',
    scenario: 'gateway-killed-under-load',
    title: `A gateway dies under load, its group moves, and comes home${options.hostile ?? ''}`,
    description: 'kill the owner of ANA group 1 with SIGKILL under a mixed load, expect the takeover, start it again and expect the failback.',
    seed: '0x5eedb0a7',
    lab: 'loopback',
    platform: { accel: 'native', emulationFactor: 1, fabrics: 1 },
    shape: {
      gateways: gatewayCount, namespaces: namespaceCount, anaGroups, blockSize: 4_096, namespaceMiB: 64, policy: 'numa',
      ioQueues: 2, headerDigest: true, dataDigest: true,
      timers: {
        scale: 0.1, beaconMs: 100, beaconGraceMs: 700, monTickMs: 100, skipFailoversMs: 1_600, deleteSuppressMs: 500, failbackMs: 300,
        blocklistWaitMs: 3_000, deleteGraceMs: 90_000, connectPanicMs: 3_000, disconnectPanicMs: 10_000, katoMs: 500, ioTimeoutMs: 3_000,
        adminTimeoutMs: 6_000, reconnectDelayMs: 500, ctrlLossTmoMs: 60_000, fastIoFailTmoMs: -1, anattMs: 1_000,
      },
    },
    topology: {
      pool: 'rbd', group: 'grp1', nqn: 'nqn.2016-06.io.spdk:cnode1',
      gateways,
      namespaces: Array.from({ length: namespaceCount }, (_, index) => ({
        nsid: index + 1, uuid: uuidOf(index + 1), nguid: uuidOf(index + 1).replaceAll('-', ''), anaGroup: (index % anaGroups) + 1,
        blockSize: 4_096, blocks: 16_384, idle: index === namespaceCount - 1, image: `image${index + 1}`,
      })),
      hosts: [{ name: 'host1', hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:0b7c9f9e-3d0e-4f5e-8a53-c5e7d8b0a001', hostId: '0b7c9f9e3d0e4f5e8a53c5e7d8b0a001' }],
    },
    workload: {
      kind: 'stamp', queueDepth: 4, readPercent: 50, ioBytes: [4_096, 16_384, 65_536], workingSetBlocks: 4_096, maxIops: 0,
      idleNamespaces: 1, probePeriodMs: 200, delayedRereadMs: 1_500,
    },
    steps: [
      { do: 'phase', name: 'load' },
      { do: 'run', forMs: 4_000 },
      { do: 'inject', id: 'kill-gw1', fault: 'gateway-kill', target: 'gw1', params: { signal: 'SIGKILL' } },
      { do: 'await', condition: { kind: 'takeover', group: 1, not: 'gw1' }, bound: 'takeover' },
      { do: 'run', forMs: 2_500 },
      { do: 'heal', id: 'kill-gw1' },
      { do: 'await', condition: { kind: 'home' }, bound: 'convergence' },
      { do: 'run', forMs: 3_000 },
    ],
    bounds: [
      bound('quiet-stall', [
        { name: 'scheduling', ms: 250, reason: 'two noisy cores share every process of the lab' },
        { name: 'store latency', ms: 50, reason: 'a flush of the sparse file' },
      ]),
      bound('takeover', [
        { name: 'beaconGraceMs', ms: 700, reason: 'the monitor declares the gateway gone only after the beacon grace' },
        { name: 'monTickMs', ms: 100, reason: 'the grace is looked at once per tick' },
        { name: 'blocklist', ms: 200, reason: 'fence the old owner, wait for the store epoch at the new one' },
        { name: 'ANA log', ms: 150, reason: 'AEN, Get Log Page 0Ch and the re-evaluation at the host' },
        { name: 'slack', ms: 350, reason: 'scheduling of the processes involved' },
      ]),
      bound('failback-stall', [
        { name: 'failbackMs', ms: 300, reason: 'the preparation timer, no gateway is optimized while it runs' },
        { name: 'blocklist', ms: 200, reason: 'the store epoch wait at the returning owner' },
        { name: 'slack', ms: 350, reason: 'scheduling of the processes involved' },
      ]),
      bound('convergence', [
        { name: 'start', ms: 1_500, reason: 'process start, first map, listeners' },
        { name: 'failback-stall', ms: 850, reason: 'the hand-over itself' },
        { name: 'reconnectDelayMs', ms: 500, reason: 'the host tries once per reconnect delay' },
      ]),
      bound('fence-overlap', [{ name: 'ANA log', ms: 150, reason: 'the host may not have read the new log yet' }]),
    ],
    expect: {
      quietStall: 'quiet-stall',
      stalls: [
        { fault: 'kill-gw1', when: 'inject', groups: [1], bound: 'takeover', reason: 'the owner is gone until the monitor has moved its group' },
        { fault: 'kill-gw1', when: 'heal', groups: [1], bound: 'failback-stall', reason: 'failback has a designed window with no optimized path' },
      ],
      overlaps: [{ fault: 'kill-gw1', when: 'inject', groups: [1], bound: 'fence-overlap', reason: 'the ANA log of the dead owner is the last one read' }],
      convergence: 'convergence',
      takeovers: [{ fault: 'kill-gw1', group: 1, expected: true, reason: 'a dead gateway is the first trigger of the design' }],
      failedIoMax: 0,
    },
    defects: options.broken === true ? ['monitor: skip-blocklist', 'store: accept-late-writes'] : [],
  };
}
