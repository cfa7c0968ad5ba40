/**
 * The integrity checker on a synthetic journal: `npx tsx bench/verify.ts [operations]` (default 10 million).
 *
 * The journal is generated while it is read, as the reader of a stored one would do, by a model of a closed loop
 * with 8 operations in flight on each of 4 namespaces, 4 KiB blocks, 1–4 blocks each. Targets: ≥ 500,000
 * operations per second on one core, ≤ 1 GiB RSS. Times are CPU times of this process (on a shared machine wall
 * time measures the neighbours), and since machines differ also a multiple of sorting as many doubles in it.
 */
import { writerShift } from '../src/history/journal-types.js';
import type { JournalHeader, JournalRecord, JournalSource } from '../src/history/journal-types.js';
import { integrity } from '../src/verify/integrity/index.js';
import { testPlan } from '../src/verify/testing/plan.js';

const operations = Number(process.argv[2] ?? 10_000_000);
const namespaces = 4;
const queueDepth = 8;
const workingSetBlocks = 4096;
const chunkRecords = 4096;
const uuids = Array.from({ length: namespaces }, (_, i) => `uuid-${i + 1}`);

const header: JournalHeader = {
  format: 1, runId: 'bench', host: 'host1', writer: 1, namespaces: uuids.map((uuid, i) => ({ uuid, nsid: i + 1, blockSize: 4096, blocks: workingSetBlocks })),
};

/** xorshift32: the same journal each time. */
function randoms(): () => number {
  let x = 0x9e3779b9;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

interface Flight {
  op: number;
  ns: number;
  isWrite: boolean;
  slba: number;
  nlb: number;
  version: number;
}

/** Each operation takes effect when it completes: always linearizable, with real overlap. */
async function* generate(): AsyncGenerator<readonly JournalRecord[]> {
  const random = randoms();
  const next = (below: number): number => random() % below;
  const blocks = uuids.map(() => new Float64Array(workingSetBlocks));
  const flights: Flight[] = [];
  let chunk: JournalRecord[] = [];
  let tUs = 1_000_000;
  let op = 0;
  const width = namespaces * queueDepth;
  const invoke = (ns: number, purpose: 'load' | 'reread-at-once' | 'reread-delayed', isWrite: boolean, slba: number, nlb: number): Flight => {
    op += 1;
    const version = isWrite ? writerShift + op : 0;
    chunk.push({ kind: 'invoke', op, tUs, what: isWrite ? 'write' : 'read', purpose, ns, slba, nlb, version });
    return { op, ns, isWrite, slba, nlb, version };
  };
  const complete = ({ op: id, ns, isWrite, slba, nlb, version }: Flight): void => {
    const content = blocks[ns]!;
    if (isWrite) content.fill(version, slba, slba + nlb);
    const seen = isWrite ? [] : Array.from({ length: nlb }, (_, i) => ({ kind: 'version' as const, version: content[slba + i]! }));
    chunk.push({ kind: 'complete', op: id, tUs, outcome: 'ok', status: 0, code: '', path: 'gw1:nvme0:q1', sends: 1, blocks: seen });
  };
  const rereads = 2 * namespaces * (workingSetBlocks / 4);
  while (op < operations - rereads || flights.length > 0) {
    tUs += 1 + next(3);
    const full = flights.length === width || op >= operations - rereads;
    const slot = next(flights.length === 0 ? 1 : flights.length);
    if (flights.length > 0 && (full || next(4) === 0)) {
      complete(flights[slot]!);
      flights[slot] = flights.at(-1)!;
      flights.pop();
    } else {
      const nlb = 1 + next(4);
      flights.push(invoke(next(namespaces), 'load', next(2) === 0, next(workingSetBlocks - nlb), nlb));
    }
    if (chunk.length >= chunkRecords) {
      yield chunk;
      chunk = [];
    }
  }
  for (const purpose of ['reread-at-once', 'reread-delayed'] as const) {
    for (let ns = 0; ns < namespaces; ns += 1) {
      for (let slba = 0; slba < workingSetBlocks; slba += 4) {
        tUs += 2;
        const flight = invoke(ns, purpose, false, slba, 4);
        tUs += 2;
        complete(flight);
      }
    }
  }
  yield chunk;
}

/** User and system CPU time of this process so far, milliseconds. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

let peakRssBytes = 0;
const sampler = setInterval(() => (peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss())), 100);

const random = randoms();
const doubles = new Float64Array(operations).map(() => random());
let from = cpuMs();
doubles.sort();
const sortMs = cpuMs() - from;

from = cpuMs();
let records = 0;
for await (const chunk of generate()) records += chunk.length;
const generateMs = cpuMs() - from;

const journal: JournalSource = { headers: () => Promise.resolve([header]), records: () => generate(), problems: () => [] };
peakRssBytes = 0;
from = cpuMs();
const result = await integrity.check({ plan: testPlan(), events: [], historyProblems: [], journal });
const checkMs = cpuMs() - from;
clearInterval(sampler);
peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());

const perSecond = (ms: number): string => `${Math.round(operations / (ms / 1000) / 1000)} k operations/s`;
console.log(`${operations} operations, ${records} records: ${result.verdict}: ${result.summary}`);
console.log(`live values at most: ${result.metrics['liveValuesPeak']}`);
console.log(`generate only: ${(generateMs / 1000).toFixed(1)} s`);
console.log(`generate + check: ${(checkMs / 1000).toFixed(1)} s, ${perSecond(checkMs)}; without the generator ${perSecond(checkMs - generateMs)}`);
console.log(`sort of a Float64Array of ${operations}: ${(sortMs / 1000).toFixed(2)} s; check without the generator / sort = ${((checkMs - generateMs) / sortMs).toFixed(1)}`);
console.log(`peak RSS: ${Math.round(peakRssBytes / 2 ** 20)} MiB`);
process.exitCode = result.verdict === 'pass' ? 0 : 1;
