import type { JournalHeader } from '../history/journal-types.js';
import { gatewayOf } from './integrity/findings.js';
import { visitInTimeOrder } from './integrity/merge.js';
import type { CompleteRecord, InvokeRecord, RecordVisitor } from './integrity/merge.js';
import type { Findings } from './result.js';
import { faultRecords, healUs, injectUs } from './timeline.js';
import type { CheckInput } from './types.js';
import { at, count, runStartUs } from './words.js';

/** One fault that keeps writes half-way at a gateway, and what the journals show of it. */
class HeldFault implements RecordVisitor {
  /** Writes that were invoked, sent more than once and acknowledged through another gateway while the fault lasted. */
  held = 0;
  /** Block → when its held write was acknowledged, microseconds. */
  readonly #blocks = new Map<string, number>();
  readonly #overtaken = new Set<string>();
  readonly #open: Map<number, InvokeRecord>[];
  readonly #inGroups: readonly boolean[][];
  readonly #gateway: string;
  readonly #fromUs: number;
  readonly #toUs: number;

  constructor(headers: readonly JournalHeader[], namespaces: ReadonlySet<string>, gateway: string, fromUs: number, toUs: number) {
    this.#open = headers.map(() => new Map<number, InvokeRecord>());
    this.#inGroups = headers.map((header) => header.namespaces.map(({ uuid }) => namespaces.has(uuid)));
    this.#gateway = gateway;
    this.#fromUs = fromUs;
    this.#toUs = toUs;
  }

  get blocks(): number {
    return this.#blocks.size;
  }
  get overtaken(): number {
    return this.#overtaken.size;
  }

  invoke(journal: number, record: InvokeRecord): void {
    if (record.what === 'write' && this.#inGroups[journal]![record.ns] === true && record.tUs < this.#toUs) this.#open[journal]!.set(record.op, record);
  }

  complete(journal: number, record: CompleteRecord): void {
    const open = this.#open[journal]!;
    const write = open.get(record.op);
    if (write === undefined) return;
    open.delete(record.op);
    if (record.outcome !== 'ok' || record.tUs <= this.#fromUs || record.tUs >= this.#toUs) return;
    for (let lba = write.slba; lba < write.slba + write.nlb; lba += 1) {
      const block = `${journal}:${write.ns}:${lba}`;
      const heldUntilUs = this.#blocks.get(block);
      if (heldUntilUs !== undefined && write.tUs > heldUntilUs) this.#overtaken.add(block);
    }
    const elsewhere = record.path !== null && gatewayOf(record.path) !== this.#gateway;
    // One that was invoked before the fault may have been executed in full, but for its answer.
    if (record.sends < 2 || !elsewhere || write.tUs <= this.#fromUs) return;
    this.held += 1;
    for (let lba = write.slba; lba < write.slba + write.nlb; lba += 1) this.#blocks.set(`${journal}:${write.ns}:${lba}`, record.tUs);
  }
}

/**
 * Demands that a fault that is there to keep writes half-way really did: some writes were sent through its
 * gateway and acknowledged through another one, newer data was acknowledged in their blocks, and only then came
 * the heal that lets the old ones go on. Without that an integrity pass says nothing about fencing: `unknown`.
 */
export async function checkHeldWrites(input: CheckInput, findings: Findings): Promise<void> {
  const { plan, events } = input;
  const expected = plan.expect.heldWrites ?? [];
  if (expected.length === 0) return;
  const startUs = runStartUs(events);
  const records = faultRecords(events);
  const headers = await input.journal.headers();
  for (const { fault, gateway, groups } of expected) {
    const record = records.get(fault);
    const fromUs = injectUs(record);
    const toUs = healUs(record);
    if (fromUs === undefined || toUs === undefined) {
      findings.unknown(`${fault} was ${fromUs === undefined ? 'never injected' : 'never healed'}: no held write was released`);
      continue;
    }
    const uuids = new Set(plan.topology.namespaces.filter(({ anaGroup }) => groups.includes(anaGroup)).map(({ uuid }) => uuid));
    const found = new HeldFault(headers, uuids, gateway, fromUs, toUs);
    await visitInTimeOrder(input.journal, headers, found);
    const more = { tUs: fromUs, toUs };
    if (found.held === 0) findings.unknown(`${fault}: no write was half-way at ${gateway} when its path failed over`, more);
    else if (found.overtaken === 0) findings.unknown(`${fault}: none of the ${count(found.held, 'write')} that went half-way to ${gateway} was overtaken by newer data before the heal ${at(toUs, startUs)}`, more);
    else findings.note(`${fault}: half-way at ${gateway} and acknowledged through another gateway: ${count(found.held, 'write')}; newer data was acknowledged in ${found.overtaken} of their ${count(found.blocks, 'block')} before the heal ${at(toUs, startUs)} let the old ones go on`, more);
    findings.metrics[`${fault}.heldWrites`] = found.held;
    findings.metrics[`${fault}.overtakenBlocks`] = found.overtaken;
  }
}
