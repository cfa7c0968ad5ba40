import { describe, expect, it } from 'vitest';
import type { StampWorkload } from '../../plan/types.js';
import { hostConfigSchema, hostJournalPath, hostThreads, operationBytesMax, outstandingMax, threadsProblem } from './host-config.js';

const workload: StampWorkload = { kind: 'stamp', queueDepth: 8, readPercent: 50, ioBytes: [4096, 131_072], workingSetBlocks: 64, maxIops: 0, idleNamespaces: 1, probePeriodMs: 100, delayedRereadMs: 500 };

describe('the guest host’s config', () => {
  it('reckons with all operations at once, sweeps included', () => {
    expect(outstandingMax(workload, 4)).toBe(32);
    expect(outstandingMax({ ...workload, queueDepth: 1 }, 4)).toBe(16);
    expect(operationBytesMax(workload)).toBe(131_072);
    expect(operationBytesMax({ ...workload, ioBytes: [4096] })).toBe(65_536);
  });

  it('says when the process has too few threads', () => {
    expect(threadsProblem(workload, 4, 36)).toBeUndefined();
    expect(threadsProblem(workload, 4, 35)).toBe('4 namespaces with queue depth 8 need 36 threads, the host\'s member has 35 (UV_THREADPOOL_SIZE)');
    expect(threadsProblem({ ...workload, queueDepth: 15 }, 16, hostThreads)).toBeUndefined();
  });

  it('refuses a host without controllers, and fields that it does not know', () => {
    const config = { name: 'host1', hostNqn: 'nqn.h', hostId: 'id', nqn: 'nqn.s', controllers: [{ gateway: 'gw1', traddr: '192.0.2.1', trsvcid: '4420', fabric: 'a' }], timers: { katoMs: 5_000 }, policy: 'numa', ioQueues: 1, digests: { header: false, data: false } };
    expect(hostConfigSchema.safeParse(config).success).toBe(true);
    for (const bad of [{ ...config, controllers: [] }, { ...config, policy: 'random' }, { ...config, more: 1 }, { ...config, timers: {} }]) expect(hostConfigSchema.safeParse(bad).success).toBe(false);
    expect(hostJournalPath('host1')).toBe('/run/pathproof/journal-host1.ppj');
  });
});
