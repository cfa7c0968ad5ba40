import { z } from 'zod';
import { pathPolicies } from '../../plan/types.js';
import type { LabTimers, Plan, StampWorkload } from '../../plan/types.js';
import { rereadBytes, rereadDepth } from '../../workload/stamp/index.js';

/** What the host's member is started with: what holds for all runs of a lab. */
export const hostConfigSchema = z.strictObject({
  name: z.string().min(1),
  hostNqn: z.string().min(1),
  hostId: z.string().min(1),
  nqn: z.string().min(1),
  /** One per gateway and fabric. */
  controllers: z.array(z.strictObject({ gateway: z.string().min(1), traddr: z.string().min(1), trsvcid: z.string().min(1), fabric: z.string().min(1) })).min(1),
  timers: z.custom<LabTimers>((value) => typeof value === 'object' && value !== null && 'katoMs' in value, 'the timers'),
  policy: z.enum(pathPolicies),
  ioQueues: z.int().min(1),
  digests: z.strictObject({ header: z.boolean(), data: z.boolean() }),
});
export type HostGuestConfig = z.input<typeof hostConfigSchema>;

export const hostRequests = {
  connect: z.strictObject({ namespaces: z.array(z.string().min(1)).min(1), policy: z.enum(pathPolicies).optional() }),
  /** The planner has checked the plan. */
  begin: z.strictObject({ runId: z.string().min(1), plan: z.custom<Plan>((value) => typeof value === 'object' && value !== null && 'topology' in value && 'workload' in value, 'a plan') }),
  device: z.strictObject({ uuid: z.string().min(1) }),
  label: z.strictObject({ label: z.string().min(1) }),
  reread: z.strictObject({ pass: z.enum(['at-once', 'delayed']) }),
};

/** Where a run's journal grows in the guest; a new run replaces it. */
export function hostJournalPath(name: string): string {
  return `/run/pathproof/journal-${name}.ppj`;
}

export { hostThreads } from './host-threads.js';
/** Threads that stay free for everything else. */
const spareThreads = 4;

/** Operations of a workload that may be outstanding at once on `namespaces` namespaces. */
export function outstandingMax(workload: StampWorkload, namespaces: number): number {
  return namespaces * Math.max(workload.queueDepth, rereadDepth);
}

/** Why a workload is too deep for this process; undefined: it is not. */
export function threadsProblem(workload: StampWorkload, namespaces: number, poolSize: number): string | undefined {
  const needed = outstandingMax(workload, namespaces) + spareThreads;
  return needed <= poolSize ? undefined : `${namespaces} namespaces with queue depth ${workload.queueDepth} need ${needed} threads, the host's member has ${poolSize} (UV_THREADPOOL_SIZE)`;
}

/** Bytes of the largest operation. */
export function operationBytesMax(workload: StampWorkload): number {
  return Math.max(rereadBytes, ...workload.ioBytes);
}
