import type { Bound, LabTimers, Plan } from '../../plan/types.js';

export const testTimers: LabTimers = {
  scale: 0.1, beaconMs: 100, beaconGraceMs: 800, monTickMs: 500, skipFailoversMs: 1600, deleteSuppressMs: 500, failbackMs: 300, blocklistWaitMs: 3000,
  deleteGraceMs: 90_000, connectPanicMs: 3000, disconnectPanicMs: 10_000, katoMs: 500, ioTimeoutMs: 3000, adminTimeoutMs: 6000, reconnectDelayMs: 1000,
  ctrlLossTmoMs: 60_000, fastIoFailTmoMs: -1, anattMs: 1000,
};

function bound(name: string, ms: number): Bound {
  return { name, ms, terms: [{ name, ms, reason: 'of the test' }] };
}

/** Two gateways, two ANA groups, four namespaces (the last one idle), gw1 killed and healed. */
export function testPlan(): Plan {
  const blocks = 1024;
  return {
    format: 1, suite: 'smoke', scenario: 'kill', title: 'gw1 is killed', description: 'kill the owner of ANA group 1', seed: 'seed-1', lab: 'loopback',
    platform: { accel: 'native', emulationFactor: 1, fabrics: 1 },
    shape: { gateways: 2, namespaces: 4, anaGroups: 2, blockSize: 4096, namespaceMiB: 4, policy: 'numa', ioQueues: 1, headerDigest: true, dataDigest: true, timers: testTimers },
    topology: {
      pool: 'rbd', group: 'grp1', nqn: 'nqn.2026-01.io.pathproof:test',
      gateways: [{ name: 'gw1', index: 0, anaGroup: 1 }, { name: 'gw2', index: 1, anaGroup: 2 }],
      namespaces: [1, 2, 3, 4].map((nsid) => ({
        nsid, uuid: `uuid-${nsid}`, nguid: `nguid-${nsid}`, anaGroup: ((nsid - 1) % 2) + 1, blockSize: 4096, blocks, idle: nsid === 4, image: `image${nsid}`,
      })),
      hosts: [{ name: 'host1', hostNqn: 'nqn.host1', hostId: 'id-1' }],
    },
    workload: { kind: 'stamp', queueDepth: 1, readPercent: 50, ioBytes: [4096], workingSetBlocks: 8, maxIops: 0, idleNamespaces: 1, probePeriodMs: 100, delayedRereadMs: 500 },
    steps: [
      { do: 'phase', name: 'steady' },
      { do: 'inject', id: 'kill', fault: 'gateway.kill', target: 'gw1', params: {} },
      { do: 'await', condition: { kind: 'takeover', group: 1, not: 'gw1' }, bound: 'takeoverAwait' },
      { do: 'heal', id: 'kill' },
      { do: 'await', condition: { kind: 'home' }, bound: 'convergence' },
      { do: 'phase', name: 'home' },
    ],
    bounds: [bound('quietStall', 600), bound('failoverStall', 1500), bound('failbackStall', 1200), bound('overlap', 400), bound('takeoverAwait', 2000), bound('convergence', 3000)],
    expect: {
      quietStall: 'quietStall', convergence: 'convergence', failedIoMax: 0, overlaps: [],
      stalls: [
        { fault: 'kill', when: 'inject', groups: [1], bound: 'failoverStall', reason: 'the monitor waits for the grace' },
        { fault: 'kill', when: 'heal', groups: [1], bound: 'failbackStall', reason: 'failback' },
      ],
      takeovers: [{ fault: 'kill', group: 1, expected: true, reason: 'a dead gateway is replaced' }],
    },
    defects: [],
  };
}
