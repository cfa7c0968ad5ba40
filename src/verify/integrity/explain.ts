import type { JournalHeader } from '../../history/journal-types.js';
import { versionText } from '../words.js';
import type { Finding, FindingKind, OpRef, RawFinding } from './findings.js';
import type { CompleteRecord, InvokeRecord, RecordVisitor } from './merge.js';
import { ReadResult, RegisterSpace } from './register-space.js';
import type { NamespaceTable } from './scan.js';

/** One value of a flagged block with the operations that place it in time. */
interface Value {
  version: number;
  write: OpRef | undefined;
  /** The first of its operations to complete, and when; the initial value was there before everything. */
  settledBy: OpRef | undefined;
  settledUs: number;
  /** Its operation with the latest invocation, and when. */
  newestBy: OpRef | undefined;
  newestUs: number;
}

interface Explained {
  raw: RawFinding;
  read: OpRef;
  old: Value | undefined;
  newer: Value | undefined;
  /** The operation of `newer` that was invoked after `old` was in place. */
  newerBegan: OpRef | undefined;
  newerSettled: OpRef | undefined;
  /** A read that returned something newer than `old` before `read` began. */
  seenBefore: OpRef | undefined;
  /** A read after `read` that returned `newer` again. */
  seenAfter: OpRef | undefined;
}

interface FlaggedBlock {
  /** By version. */
  raws: Map<number, RawFinding[]>;
  /** Values that still matter, and those that a finding is about. */
  values: Map<number, Value>;
  /** Flagged version → a value that makes any further read of it wrong. */
  killers: Map<number, Value>;
  newerReads: Map<number, OpRef>;
  explained: Explained[];
}

/**
 * The second pass over the journals, needed only after a violation: replays the blocks concerned and keeps the
 * operations that prove each finding. Its memory is bounded by the number of flagged blocks × what was in
 * flight on them.
 */
export class Explainer implements RecordVisitor {
  readonly #table: NamespaceTable;
  readonly #space = new RegisterSpace();
  readonly #blocks = new Map<number, FlaggedBlock>();
  readonly #open: Map<number, OpRef>[];
  /** Versions of findings → the write that carried them, wherever it went. */
  readonly #origins = new Map<number, OpRef | undefined>();
  readonly #contents: { raw: RawFinding; read: OpRef }[] = [];
  readonly #contentOf = new Map<string, RawFinding[]>();

  constructor(headers: readonly JournalHeader[], table: NamespaceTable, raws: readonly RawFinding[]) {
    this.#table = table;
    this.#open = headers.map(() => new Map<number, OpRef>());
    for (const raw of raws) {
      this.#origins.set(raw.version, undefined);
      if (raw.kind === 'order' || raw.kind === 'never-sent') {
        const slot = this.#space.slotOf(raw.namespace, raw.lba);
        let block = this.#blocks.get(slot);
        if (block === undefined) {
          block = { raws: new Map(), values: new Map(), killers: new Map(), newerReads: new Map(), explained: [] };
          block.values.set(0, { version: 0, write: undefined, settledBy: undefined, settledUs: -Infinity, newestBy: undefined, newestUs: -Infinity });
          this.#blocks.set(slot, block);
        }
        block.raws.set(raw.version, [...(block.raws.get(raw.version) ?? []), raw]);
      } else {
        const key = `${raw.journal}:${raw.op}`;
        this.#contentOf.set(key, [...(this.#contentOf.get(key) ?? []), raw]);
      }
    }
    this.#space.onForget = (slot, version, killer) => {
      const block = this.#blocks.get(slot)!;
      if (block.raws.has(version)) block.killers.set(version, block.values.get(killer)!);
      else block.values.delete(version);
    };
  }

  invoke(journal: number, record: InvokeRecord): void {
    const namespace = this.#table.index[journal]![record.ns];
    if (namespace === undefined || !(record.slba + record.nlb <= this.#table.namespaces[namespace]!.blocks)) return;
    const op: OpRef = { journal, invoke: record, complete: undefined };
    let wanted = this.#contentOf.has(`${journal}:${record.op}`);
    if (record.what === 'write' && this.#origins.has(record.version)) {
      this.#origins.set(record.version, op);
      wanted = true;
    }
    this.#eachFlagged(namespace, record, (block, slot) => {
      wanted = true;
      if (record.what === 'read') {
        this.#space.readInvoked(slot, record.tUs);
      } else if (this.#space.writeInvoked(slot, record.version, record.tUs)) {
        block.values.set(record.version, { version: record.version, write: op, settledBy: undefined, settledUs: Infinity, newestBy: op, newestUs: record.tUs });
      }
    });
    if (wanted) this.#open[journal]!.set(record.op, op);
  }

  complete(journal: number, record: CompleteRecord): void {
    const op = this.#open[journal]!.get(record.op);
    if (op === undefined) return;
    this.#open[journal]!.delete(record.op);
    op.complete = record;
    for (const raw of this.#contentOf.get(`${journal}:${record.op}`) ?? []) this.#contents.push({ raw, read: op });
    const { invoke } = op;
    this.#eachFlagged(this.#table.index[journal]![invoke.ns]!, invoke, (block, slot, lba) => {
      if (invoke.what === 'write') this.#completeWrite(block, slot, op, record);
      else this.#completeRead(block, slot, lba, op, record);
    });
  }

  /** The findings in the order of their reads; neighbouring blocks of one read with one cause are one finding. */
  findings(): Finding[] {
    const merged = new Map<string, Finding>();
    const add = (finding: Finding, cause: string): void => {
      const key = `${finding.kind}|${finding.read.journal}|${finding.read.invoke.op}|${cause}`;
      const same = merged.get(key);
      if (same === undefined) {
        merged.set(key, finding);
        return;
      }
      same.lbas.push(...finding.lbas);
      same.repeats += finding.repeats;
    };
    for (const { raw, read } of this.#contents) add(this.#contentFinding(raw, read), `${raw.version}`);
    for (const block of this.#blocks.values()) {
      for (const explained of block.explained) add(this.#orderFinding(explained), `${explained.raw.version}|${explained.newer?.version ?? ''}`);
    }
    return [...merged.values()].sort((a, b) => a.read.invoke.tUs - b.read.invoke.tUs);
  }

  #eachFlagged(namespace: number, invoke: InvokeRecord, visit: (block: FlaggedBlock, slot: number, lba: number) => void): void {
    if (this.#blocks.size === 0) return;
    for (let lba = invoke.slba; lba < invoke.slba + invoke.nlb; lba += 1) {
      const slot = this.#space.slotOf(namespace, lba);
      const block = this.#blocks.get(slot);
      if (block !== undefined) visit(block, slot, lba);
    }
  }

  #completeWrite(block: FlaggedBlock, slot: number, op: OpRef, record: CompleteRecord): void {
    const { version } = op.invoke;
    const value = block.values.get(version);
    if (record.outcome === 'ok') {
      if (value?.settledUs === Infinity) {
        value.settledUs = record.tUs;
        value.settledBy = op;
      }
      this.#space.writeAcknowledged(slot, version, record.tUs);
    } else if (record.sends > 0) {
      this.#space.writeEndedUnknown(slot, version);
    } else if (this.#space.writeNeverSent(slot, version)) {
      block.values.delete(version);
    } else {
      const raw = block.raws.get(version)?.find(({ kind }) => kind === 'never-sent');
      if (raw !== undefined) this.#explain(block, raw, value?.settledBy ?? op, undefined);
    }
  }

  #completeRead(block: FlaggedBlock, slot: number, lba: number, op: OpRef, record: CompleteRecord): void {
    const { invoke } = op;
    const observed = record.outcome === 'ok' && record.blocks.length === invoke.nlb ? record.blocks[lba - invoke.slba] : undefined;
    if (observed?.kind === 'version') {
      const { version } = observed;
      const raw = block.raws.get(version)?.find((each) => each.kind === 'order' && each.op === record.op && each.journal === op.journal);
      if (raw !== undefined) this.#explain(block, raw, op, block.values.get(version));
      if (this.#space.readReturned(slot, version, invoke.tUs, record.tUs) === ReadResult.consistent) {
        this.#seen(block, block.values.get(version), op, record.tUs);
      }
    }
    this.#space.readEnded(slot, invoke.tUs);
  }

  #seen(block: FlaggedBlock, value: Value | undefined, op: OpRef, tUs: number): void {
    if (value === undefined) return;
    const invokedUs = op.invoke.tUs;
    if (value.settledUs === Infinity) {
      value.settledUs = tUs;
      value.settledBy = op;
    }
    if (invokedUs > value.newestUs) {
      value.newestUs = invokedUs;
      value.newestBy = op;
    }
    for (const version of block.raws.keys()) {
      const old = block.values.get(version);
      // One of its operations began after `old` was in place, so all of `old` comes before it.
      const newer = old !== undefined && old !== value && value.newestUs > old.settledUs;
      if (newer && !block.newerReads.has(version)) block.newerReads.set(version, op);
    }
    for (const explained of block.explained) {
      if (explained.newer === value && invokedUs > explained.read.complete!.tUs) explained.seenAfter ??= op;
    }
  }

  #explain(block: FlaggedBlock, raw: RawFinding, read: OpRef, old: Value | undefined): void {
    let newer: Value | undefined;
    const startUs = read.invoke.tUs;
    if (old !== undefined) {
      for (const value of [...block.values.values(), block.killers.get(raw.version)]) {
        if (value === undefined || value === old || !(value.settledUs < startUs && old.settledUs < value.newestUs)) continue;
        if (newer === undefined || value.settledUs > newer.settledUs) newer = value;
      }
    }
    const writeBegan = old !== undefined && newer?.write !== undefined && newer.write.invoke.tUs > old.settledUs;
    const before = block.newerReads.get(raw.version);
    block.explained.push({
      raw, read, old, newer,
      newerBegan: writeBegan ? newer!.write : newer?.newestBy,
      newerSettled: newer?.settledBy,
      seenBefore: before !== undefined && before.complete!.tUs < startUs ? before : undefined,
      seenAfter: undefined,
    });
  }

  #orderFinding({ raw, read, old, newer, newerBegan, newerSettled, seenBefore, seenAfter }: Explained): Finding {
    const base = { namespace: raw.namespace, lbas: [raw.lba], read, repeats: raw.repeats };
    const value = versionText(raw.version);
    if (old === undefined || newer === undefined) {
      const origin = this.#origins.get(raw.version);
      const proof = [{ op: read, says: `returned ${value}` }];
      if (origin !== undefined) proof.unshift({ op: origin, says: `is the only write of ${value}` });
      return { ...base, kind: 'value-from-nowhere', proof, conclusion: this.#nowhere(raw, read, origin), provenByPartOfHistory: false };
    }
    const proof: Finding['proof'] = [];
    if (old.settledBy !== undefined) proof.push({ op: old.settledBy, says: `puts ${value} in place` });
    const newerText = versionText(newer.version);
    if (newerBegan !== undefined) proof.push({ op: newerBegan, says: `began after that, so ${newerText} is newer` });
    if (newerSettled !== undefined && newerSettled !== newerBegan) proof.push({ op: newerSettled, says: `puts ${newerText} in place` });
    let kind: FindingKind;
    let conclusion: string;
    if (seenAfter !== undefined) {
      kind = 'stale-read';
      conclusion = `${newerText} was in place before the read began and was read again later (op ${seenAfter.invoke.op}): this read was answered from an older copy`;
    } else if (seenBefore !== undefined && raw.version !== 0) {
      kind = 'late-write';
      const resent = (old.write?.complete?.sends ?? 0) > 1 || old.write?.complete?.outcome !== 'ok';
      conclusion = `a newer value had already been read (op ${seenBefore.invoke.op}), then ${value} came back and ${newerText} was not read again: a fenced write landed late` +
        (resent ? ', or a copy of it that had been sent before' : '');
    } else {
      kind = 'lost-acknowledged-write';
      conclusion = `${newerText} was in place before the read began, and no later read returned it`;
    }
    proof.push({ op: read, says: `returned ${value}` });
    return { ...base, kind, proof, conclusion, provenByPartOfHistory: true };
  }

  #nowhere(raw: RawFinding, read: OpRef, origin: OpRef | undefined): string {
    const value = versionText(raw.version);
    if (origin === undefined) return `no write of ${value} is in the journal`;
    const { invoke } = origin;
    const elsewhere = this.#table.index[origin.journal]![invoke.ns] !== raw.namespace || raw.lba < invoke.slba || raw.lba >= invoke.slba + invoke.nlb;
    if (elsewhere) return `${value} was written elsewhere, never to this block`;
    if (invoke.tUs > (read.complete?.tUs ?? Infinity)) return `${value} was read before its write was invoked`;
    return `the write of ${value} was never sent`;
  }

  #contentFinding(raw: RawFinding, read: OpRef): Finding {
    const kinds: Record<string, FindingKind> = { torn: 'torn-block', misdirected: 'misdirected-block', 'wrong-namespace': 'wrong-namespace', 'foreign-run': 'foreign-run' };
    const proof = [{ op: read, says: `found ${raw.claim}` }];
    const origin = raw.kind === 'foreign-run' ? undefined : this.#origins.get(raw.version);
    if (origin !== undefined) proof.unshift({ op: origin, says: 'is the write that the stamp names' });
    const conclusion = raw.kind === 'torn'
      ? 'a logical block is written whole or not at all (NVM command set, AWUN and AWUPF are at least one block)'
      : 'no write of this run can have left that here';
    return { kind: kinds[raw.kind] ?? 'garbage', namespace: raw.namespace, lbas: [raw.lba], read, proof, conclusion, repeats: raw.repeats, provenByPartOfHistory: true };
  }
}
