import type { BlockObservation, JournalHeader } from '../../history/journal-types.js';
import { versionText } from '../words.js';
import type { RawFinding } from './findings.js';
import type { CompleteRecord, InvokeRecord, RecordVisitor } from './merge.js';
import { ReadResult, RegisterSpace, rereadMask, SlotFlag } from './register-space.js';

/** Distinct (block, wrong content) pairs that are kept for explanation; further ones are counted. */
export const rawFindingsMax = 4096;
/** Journal contract violations that are kept in words. */
const problemsMax = 20;

/** The namespaces of all journals by UUID, and each journal's index → common index. */
export interface NamespaceTable {
  namespaces: { uuid: string; nsid: number; blocks: number }[];
  /** [journal][ns of its records] → index into `namespaces`. */
  index: number[][];
}

export function namespaceTable(headers: readonly JournalHeader[]): NamespaceTable {
  const namespaces: NamespaceTable['namespaces'] = [];
  const byUuid = new Map<string, number>();
  const index = headers.map((header) =>
    header.namespaces.map(({ uuid, nsid, blocks }) => {
      let known = byUuid.get(uuid);
      if (known === undefined) {
        known = namespaces.push({ uuid, nsid, blocks }) - 1;
        byUuid.set(uuid, known);
      }
      return known;
    }),
  );
  return { namespaces, index };
}

/** Blocks of one namespace that were written, and how many of them a final re-read has missed. */
export interface RereadCoverage {
  nsid: number;
  written: number;
  missedAtOnce: number;
  missedDelayed: number;
  firstMissedLba: number;
}

/** The first pass: decides, and notes which reads are wrong. It keeps nothing else of an operation that has ended. */
export class IntegrityScan implements RecordVisitor {
  readonly space = new RegisterSpace();
  readonly findings: RawFinding[] = [];
  readonly problems: string[] = [];
  readonly counts = {
    operations: 0, readsOk: 0, blocksRead: 0, writesOk: 0, writesOfUnknownOutcome: 0, writesNeverSent: 0, wrongReads: 0,
  };
  readonly #table: NamespaceTable;
  readonly #open: Map<number, InvokeRecord>[];
  readonly #known = new Map<string, RawFinding>();

  constructor(headers: readonly JournalHeader[], table: NamespaceTable) {
    this.#table = table;
    this.#open = headers.map(() => new Map<number, InvokeRecord>());
  }

  invoke(journal: number, record: InvokeRecord): void {
    const namespace = this.#table.index[journal]![record.ns];
    if (namespace === undefined) return this.#problem(`op ${record.op} names namespace index ${record.ns}, which the header does not have`);
    const { slba, nlb } = record;
    if (!(nlb > 0 && slba >= 0 && slba + nlb <= this.#table.namespaces[namespace]!.blocks)) {
      return this.#problem(`op ${record.op} addresses ${nlb} blocks at LBA ${slba}, outside its namespace`);
    }
    const open = this.#open[journal]!;
    if (open.has(record.op)) return this.#problem(`op ${record.op} is invoked twice`);
    open.set(record.op, record);
    this.counts.operations += 1;
    const { space } = this;
    if (record.what === 'write') {
      if (!(record.version > 0)) this.#problem(`write op ${record.op} carries no version`);
      for (let lba = slba; lba < slba + nlb; lba += 1) {
        const slot = space.slotOf(namespace, lba);
        space.clearFlags(slot, rereadMask);
        if (!space.writeInvoked(slot, record.version, record.tUs)) {
          this.#problem(`op ${record.op} writes ${versionText(record.version)} to LBA ${lba} a second time: versions are not unique`);
        }
      }
      return;
    }
    const began = record.purpose === 'reread-at-once' ? SlotFlag.beganAtOnce : record.purpose === 'reread-delayed' ? SlotFlag.beganDelayed : 0;
    for (let lba = slba; lba < slba + nlb; lba += 1) {
      const slot = space.slotOf(namespace, lba);
      space.readInvoked(slot, record.tUs);
      if (began !== 0) space.setFlags(slot, began);
    }
  }

  complete(journal: number, record: CompleteRecord): void {
    const open = this.#open[journal]!;
    const invoke = open.get(record.op);
    if (invoke === undefined) return this.#problem(`op ${record.op} completes without having been invoked`);
    open.delete(record.op);
    const namespace = this.#table.index[journal]![invoke.ns]!;
    if (invoke.what === 'write') this.#completeWrite(journal, namespace, invoke, record);
    else this.#completeRead(journal, namespace, invoke, record);
  }

  /** To be called once all records were visited: writes without an end count as written. */
  finish(): void {
    for (const [journal, open] of this.#open.entries()) {
      for (const invoke of open.values()) {
        if (invoke.what !== 'write') continue;
        this.counts.writesOfUnknownOutcome += 1;
        this.#flagWritten(this.#table.index[journal]![invoke.ns]!, invoke);
      }
    }
  }

  coverage(): RereadCoverage[] {
    const all = this.#table.namespaces.map(({ nsid }) => ({ nsid, written: 0, missedAtOnce: 0, missedDelayed: 0, firstMissedLba: Infinity }));
    this.space.forEachSlot((namespace, lba, slot) => {
      const flags = this.space.flags(slot);
      if ((flags & SlotFlag.written) === 0) return;
      const entry = all[namespace]!;
      entry.written += 1;
      const missedAtOnce = (flags & SlotFlag.rereadAtOnce) === 0;
      const missedDelayed = (flags & SlotFlag.rereadDelayed) === 0;
      if (missedAtOnce) entry.missedAtOnce += 1;
      if (missedDelayed) entry.missedDelayed += 1;
      if ((missedAtOnce || missedDelayed) && lba < entry.firstMissedLba) entry.firstMissedLba = lba;
    });
    return all;
  }

  #completeWrite(journal: number, namespace: number, invoke: InvokeRecord, record: CompleteRecord): void {
    const { space } = this;
    const end = invoke.slba + invoke.nlb;
    if (record.outcome === 'ok') {
      this.counts.writesOk += 1;
      if (record.sends === 0) this.#problem(`write op ${record.op} ended ok, but was never sent`);
      for (let lba = invoke.slba; lba < end; lba += 1) {
        const slot = space.slotOf(namespace, lba);
        space.setFlags(slot, SlotFlag.written);
        space.writeAcknowledged(slot, invoke.version, record.tUs);
      }
    } else if (record.sends > 0) {
      // Failed or unanswered after it was sent: it may take effect at any time from its invocation on.
      this.counts.writesOfUnknownOutcome += 1;
      this.#flagWritten(namespace, invoke);
      for (let lba = invoke.slba; lba < end; lba += 1) space.writeEndedUnknown(space.slotOf(namespace, lba), invoke.version);
    } else {
      this.counts.writesNeverSent += 1;
      for (let lba = invoke.slba; lba < end; lba += 1) {
        if (space.writeNeverSent(space.slotOf(namespace, lba), invoke.version)) continue;
        this.#found({ kind: 'never-sent', journal, op: record.op, namespace, lba, version: invoke.version, claim: '', repeats: 0 });
      }
    }
  }

  #completeRead(journal: number, namespace: number, invoke: InvokeRecord, record: CompleteRecord): void {
    const { space } = this;
    const { slba, nlb, purpose } = invoke;
    const ok = record.outcome === 'ok';
    const sound = ok && record.blocks.length === nlb;
    if (ok && !sound) this.#problem(`read op ${record.op} of ${nlb} blocks has ${record.blocks.length} observations`);
    if (sound) {
      this.counts.readsOk += 1;
      this.counts.blocksRead += nlb;
    }
    for (let i = 0; i < nlb; i += 1) {
      const lba = slba + i;
      const slot = space.slotOf(namespace, lba);
      if (sound) {
        const observed = record.blocks[i]!;
        if (observed.kind !== 'version') {
          this.#found({ ...claimOf(observed), journal, op: record.op, namespace, lba, repeats: 0 });
        } else if (space.readReturned(slot, observed.version, invoke.tUs, record.tUs) !== ReadResult.consistent) {
          this.#found({ kind: 'order', journal, op: record.op, namespace, lba, version: observed.version, claim: '', repeats: 0 });
        }
        if (purpose === 'reread-at-once') this.#flagReread(slot, SlotFlag.beganAtOnce, SlotFlag.rereadAtOnce);
        else if (purpose === 'reread-delayed') this.#flagReread(slot, SlotFlag.beganDelayed, SlotFlag.rereadDelayed);
      }
      space.readEnded(slot, invoke.tUs);
    }
  }

  #flagReread(slot: number, began: number, done: number): void {
    if ((this.space.flags(slot) & began) !== 0) this.space.setFlags(slot, done);
  }

  #flagWritten(namespace: number, invoke: InvokeRecord): void {
    for (let lba = invoke.slba; lba < invoke.slba + invoke.nlb; lba += 1) this.space.setFlags(this.space.slotOf(namespace, lba), SlotFlag.written);
  }

  #found(finding: RawFinding): void {
    this.counts.wrongReads += 1;
    const key = `${finding.namespace}:${finding.lba}:${finding.kind}:${finding.version}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.repeats += 1;
    } else if (this.findings.length < rawFindingsMax) {
      this.findings.push(finding);
      this.#known.set(key, finding);
    }
  }

  #problem(text: string): void {
    if (this.problems.length < problemsMax) this.problems.push(text);
  }
}

function claimOf(observed: Exclude<BlockObservation, { kind: 'version' }>): Pick<RawFinding, 'kind' | 'version' | 'claim'> {
  switch (observed.kind) {
    case 'torn':
      return { kind: 'torn', version: observed.version, claim: `a stamp of ${versionText(observed.version)} whose CRC does not match its content` };
    case 'misdirected':
      return { kind: 'misdirected', version: observed.version, claim: `a sound stamp of ${versionText(observed.version)} for LBA ${observed.lba}` };
    case 'wrong-namespace':
      return { kind: 'wrong-namespace', version: observed.version, claim: `a sound stamp of ${versionText(observed.version)} for LBA ${observed.lba} of namespace ${observed.nsUuid}` };
    case 'foreign-run':
      return { kind: 'foreign-run', version: observed.version, claim: `a sound stamp of another run for LBA ${observed.lba}` };
    case 'garbage':
      return { kind: 'garbage', version: -1, claim: `neither zeroes nor a stamp (first bytes ${observed.firstBytesHex})` };
  }
}
