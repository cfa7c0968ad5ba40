import { neverWritten, writerShift, type JournalHeader, type JournalRecord, type JournalSource } from '../../history/journal-types.js';
import type { Plan } from '../../plan/types.js';

/** xorshift32 in [0, 1): the same seed, the same run. */
export function seededRandom(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

export interface SampleOp {
  op: number;
  /** Index into the plan's namespaces. */
  ns: number;
  what: 'read' | 'write';
  bytes: number;
  fromUs: number;
  toUs: number;
  path: string;
}

/** A stretch in which the namespaces of one ANA group get no answers, microseconds. */
export interface Outage { group: number; fromUs: number; toUs: number }

/** A closed loop of reads and writes per namespace: about 2 ms each, a tail, and nothing while the group is out. */
export function sampleOps(plan: Plan, loadFromUs: number, loadToUs: number, outages: readonly Outage[], servedBy: (group: number, tUs: number) => string): SampleOp[] {
  const random = seededRandom(77);
  const ops: SampleOp[] = [];
  const many = plan.topology.namespaces.length > 16;
  plan.topology.namespaces.forEach((namespace, ns) => {
    const depth = namespace.idle ? 1 : many ? 1 : plan.workload.queueDepth;
    const meanUs = namespace.idle ? 900 : many ? 9_000 : 2_200 + 300 * ns;
    for (let slot = 0; slot < depth; slot++) {
      let tUs = loadFromUs + Math.floor(random() * 2_000);
      while (tUs < loadToUs) {
        const what = namespace.idle || random() < 0.5 ? 'read' : 'write';
        const tail = random();
        const factor = tail > 0.9995 ? 18 : tail > 0.99 ? 4 : 1;
        let latencyUs = Math.round(meanUs * (what === 'read' ? 0.7 : 1.2) * (0.35 + 1.3 * random() * random() + 0.3 * random()) * factor);
        const outage = outages.find((each) => each.group === namespace.anaGroup && tUs + latencyUs > each.fromUs && tUs < each.toUs);
        if (outage !== undefined) latencyUs = outage.toUs - tUs + Math.round(3_000 + 9_000 * random());
        ops.push({
          op: 0, ns, what, bytes: plan.workload.ioBytes[Math.floor(random() * plan.workload.ioBytes.length)]!,
          fromUs: tUs, toUs: tUs + latencyUs, path: servedBy(namespace.anaGroup, tUs + latencyUs),
        });
        tUs += latencyUs + (namespace.idle ? plan.workload.probePeriodMs * 1_000 : Math.floor(120 * random()));
      }
    }
  });
  ops.sort((a, b) => a.fromUs - b.fromUs);
  ops.forEach((op, index) => (op.op = index + 1));
  return ops;
}

/** The operations as a journal would give them back. */
export function journalOf(plan: Plan, runId: string, ops: readonly SampleOp[], chunk = 1_000): JournalSource {
  const header: JournalHeader = {
    format: 1, runId, host: 'host1', writer: 1,
    namespaces: plan.topology.namespaces.map(({ uuid, nsid, blockSize, blocks }) => ({ uuid, nsid, blockSize, blocks })),
  };
  const records: JournalRecord[] = ops.flatMap((op): JournalRecord[] => [
    {
      kind: 'invoke', op: op.op, tUs: op.fromUs, what: op.what, purpose: 'load', ns: op.ns, slba: (op.op * 7) % 4_096, nlb: op.bytes / 4_096,
      version: op.what === 'write' ? writerShift + op.op : neverWritten,
    },
    { kind: 'complete', op: op.op, tUs: op.toUs, outcome: 'ok', status: 0, code: '', path: op.path, sends: 1, blocks: [] },
  ]);
  records.sort((a, b) => a.tUs - b.tUs);
  return {
    headers: () => Promise.resolve([header]),
    async *records() {
      for (let at = 0; at < records.length; at += chunk) yield Promise.resolve(records.slice(at, at + chunk));
    },
    problems: () => [],
  };
}
