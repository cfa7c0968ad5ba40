import fc from 'fast-check';
import { outcomeNames, purposeNames } from '../journal-format.js';
import type { BlockObservation, JournalHeader, JournalRecord } from '../journal-types.js';
import type { JournalWriter } from '../journal-writer.js';
import { ReadObservations } from '../read-observations.js';

export const header: JournalHeader = {
  format: 1, runId: 'run-1', host: 'host1', writer: 3,
  namespaces: [{ uuid: '0f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f', nsid: 1, blockSize: 512, blocks: 2_048 }],
};

const safe = fc.maxSafeNat();
const hex16 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const uuid = fc.uuid();
const observation: fc.Arbitrary<BlockObservation> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('version' as const), version: fc.oneof(fc.constantFrom(0, 1, 2), safe) }) },
  fc.record({ kind: fc.constant('torn' as const), version: safe }),
  fc.record({ kind: fc.constant('misdirected' as const), version: safe, lba: safe }),
  fc.record({ kind: fc.constant('wrong-namespace' as const), version: safe, nsUuid: uuid, lba: safe }),
  fc.record({ kind: fc.constant('foreign-run' as const), version: safe, lba: safe }),
  fc.record({ kind: fc.constant('garbage' as const), firstBytesHex: hex16 }),
);

const op = fc.integer({ min: 0, max: 2 ** 48 - 1 });
export const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('invoke' as const), op, tUs: safe, what: fc.constantFrom('read' as const, 'write' as const),
    purpose: fc.constantFrom(...purposeNames), ns: fc.integer({ min: 0, max: 65_535 }), slba: safe,
    nlb: fc.integer({ min: 1, max: 4_096 }), version: safe,
  }),
  fc.record({
    kind: fc.constant('complete' as const), op, tUs: safe, outcome: fc.constantFrom(...outcomeNames),
    status: fc.integer({ min: 0, max: 0x7ff }), code: fc.constantFrom('', 'NVME_STATUS', 'QUEUE_TIMEOUT', 'ABÖRTED'),
    path: fc.option(fc.constantFrom('gw1:nvme0:q1', 'gw2:nvme1:q12', 'ä')), sends: fc.integer({ min: 0, max: 65_535 }),
    blocks: fc.array(observation, { maxLength: 40 }),
  }),
);
/** Times that never go back, as a journal has them. */
export const records = fc.array(record, { maxLength: 60 }).map((list) => {
  const times = list.map((entry) => entry.tUs).sort((a, b) => a - b);
  return list.map((entry, i): JournalRecord => ({ ...entry, tUs: times[i]! }));
});

const observed = new ReadObservations();

export function writeRecord(writer: JournalWriter, entry: JournalRecord): void {
  if (entry.kind === 'invoke') {
    writer.invoke(entry.op, entry.tUs, entry.what, entry.purpose, entry.ns, entry.slba, entry.nlb, entry.version);
    return;
  }
  observed.clear();
  for (const seen of entry.blocks) {
    if (seen.kind === 'version') observed.addVersion(seen.version);
    else observed.addBad(seen);
  }
  writer.complete(entry.op, entry.tUs, entry.outcome, entry.status, entry.code, entry.path, entry.sends, observed);
}
