import { describe, expect, it } from 'vitest';
import type { BlockObservation } from '../../history/journal-types.js';
import { journalOf, journalSource, read, recordsOf, rereads, testHeader, write } from '../testing/journal.js';
import type { OpSpec } from '../testing/journal.js';
import { testPlan } from '../testing/plan.js';
import type { CheckResult, CheckInput } from '../types.js';
import { integrity } from './index.js';
import { RegisterSpace } from './register-space.js';

/** A plan with the one namespace that `testHeader` has. */
function inputOf(ops: readonly OpSpec[], problems: string[] = []): CheckInput {
  const plan = testPlan();
  plan.topology.namespaces = plan.topology.namespaces.slice(0, 1);
  return { plan, events: [], historyProblems: [], journal: journalOf(ops, problems) };
}
const check = (ops: readonly OpSpec[], problems: string[] = []): Promise<CheckResult> => integrity.check(inputOf(ops, problems));

/** Acknowledged twice, in order: value 1, then value 2. */
const twoWrites = [write(1, 10, 20), write(2, 30, 40)];

describe('integrity: what passes', () => {
  it('writes, reads and both re-reads', async () => {
    const result = await check([...twoWrites, read(2, 50, 60), ...rereads(2, 100)]);
    expect(result).toMatchObject({ verdict: 'pass', metrics: { operations: 5, writesOk: 2, blocksRead: 3, blocksWritten: 1, wrongReads: 0 } });
  });

  it('a write of unknown outcome that is seen late, and one that is never seen', async () => {
    const result = await check([write(1, 10, 20, { outcome: 'info' }), write(2, 30, 40), read(2, 50, 60), read(1, 70, 80), write(3, 81, 82, { outcome: 'fail' }), ...rereads(1, 100)]);
    expect(result).toMatchObject({ verdict: 'pass', metrics: { writesOfUnknownOutcome: 2 } });
  });

  it('an old value while the new write is in flight', async () => {
    expect((await check([write(1, 10, 20), write(2, 30, 60), read(1, 40, 50), ...rereads(2, 100)])).verdict).toBe('pass');
  });

  it('reads that did not end ok, whatever they would have said', async () => {
    expect((await check([...twoWrites, read(1, 50, 60, { outcome: 'fail' }), read(1, 50, 60, { outcome: 'info' }), ...rereads(2, 100)])).verdict).toBe('pass');
  });
});

describe('integrity: each kind of finding by its name', () => {
  const golden: [string, string, number[], RegExp, OpSpec[]][] = [
    ['an acknowledged write is lost', 'lost acknowledged write', [0, 1, 2],
      /write of version 0#1, op 0 .*puts version 0#1 in place.*write of version 0#2, op 1 .*began after that.*read, op 2 .*returned version 0#1.*no later read returned it; seen 2 more times/,
      [...twoWrites, read(1, 50, 60), ...rereads(1, 100)]],
    ['an acknowledged first write is lost and zeroes are back', 'lost acknowledged write', [0, 2],
      /write of version 0#1, op 0.*returned zeroes \(never written\)/,
      [write(1, 10, 20), read(1, 25, 30), read(0, 50, 60), ...rereads(0, 100)]],
    ['an old value is read once, and the new one again later', 'stale read', [0, 1, 2],
      /version 0#2 was in place before the read began and was read again later \(op 3\)/,
      [...twoWrites, read(1, 50, 60), ...rereads(2, 100)]],
    ['an old value comes back after a newer one was read', 'late write (resurrected value)', [0, 1, 3],
      /acknowledged .* sent 2 times.*a newer value had already been read \(op 2\), then version 0#1 came back.*landed late, or a copy of it/,
      [write(1, 10, 20, { sends: 2 }), write(2, 30, 40), read(2, 45, 48), read(1, 50, 60), ...rereads(1, 100)]],
    ['a write of unknown outcome changes its mind', 'late write (resurrected value)', [2, 3, 4],
      /read, op 2 .*puts version 0#1 in place.*read, op 3 .*began after that.*op 4 .*returned version 0#1/,
      [write(1, 10, 20, { outcome: 'info' }), write(2, 12, 22, { outcome: 'info' }), read(1, 30, 32), read(2, 40, 42), read(1, 50, 52), ...rereads(1, 100)]],
    ['a version that nobody wrote', 'value from nowhere', [1], /no write of version 0#99 is in the journal/,
      [write(1, 10, 20), read(99, 50, 60), ...rereads(1, 100)]],
    ['a version of another block under this block’s address', 'value from nowhere', [1, 2], /version 0#2 was written elsewhere, never to this block/,
      [write(1, 10, 20), write(2, 30, 40, { slba: 5 }), read(2, 50, 60), ...rereads(1, 100), ...rereads(2, 100, { slba: 5 })]],
    ['a value before its write was invoked', 'value from nowhere', [2, 1], /was read before its write was invoked/,
      [write(1, 10, 20), read(2, 21, 22), write(2, 30, 40), ...rereads(2, 100)]],
    ['a value whose write was never sent, read later', 'value from nowhere', [1, 2], /the write of version 0#2 was never sent/,
      [write(1, 10, 20), write(2, 30, 40, { outcome: 'fail', sends: 0 }), read(2, 50, 60), ...rereads(1, 100)]],
    ['a value whose write was never sent, read before that was known', 'value from nowhere', [1, 2], /the write of version 0#2 was never sent/,
      [write(1, 10, 20), write(2, 30, 60, { outcome: 'fail', sends: 0 }), read(2, 40, 50), write(3, 70, 80), ...rereads(3, 100)]],
  ];
  it.each(golden)('%s: %s', async (_what, kind, ops, text, specs) => {
    const result = await check(specs);
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.summary).toContain(`1 × ${kind}`);
    const [evidence] = result.evidence;
    expect(evidence!.text).toMatch(text);
    expect(evidence!.text.startsWith(`${kind}, namespace 1 (uuid-1) LBA 0: (1) `)).toBe(true);
    expect(evidence!.ops).toEqual(ops);
    expect(evidence!.tUs).toBeLessThan(evidence!.toUs!);
  });

  const contents: [string, BlockObservation, RegExp][] = [
    ['torn block', { kind: 'torn', version: 1 }, /a stamp of version 0#1 whose CRC does not match.*whole or not at all/],
    ['misdirected block', { kind: 'misdirected', version: 1, lba: 3 }, /is the write that the stamp names.*a sound stamp of version 0#1 for LBA 3/],
    ['block of another namespace', { kind: 'wrong-namespace', version: 7, nsUuid: 'uuid-9', lba: 4 }, /LBA 4 of namespace uuid-9/],
    ['block of another run', { kind: 'foreign-run', version: 1, lba: 0 }, /a sound stamp of another run for LBA 0/],
    ['garbage', { kind: 'garbage', firstBytesHex: 'deadbeef' }, /neither zeroes nor a stamp \(first bytes deadbeef\)/],
  ];
  it.each(contents)('%s', async (kind, found, text) => {
    const result = await check([write(1, 10, 20), read(found, 30, 40), ...rereads(1, 100)]);
    expect(result).toMatchObject({ verdict: 'fail', summary: `1 × ${kind} in 1 wrong block read` });
    expect(result.evidence[0]!.text).toMatch(text);
  });

  it('tells the neighbouring blocks of one read as one finding', async () => {
    const wide = { nlb: 4 };
    const result = await check([
      write(1, 10, 20, wide), write(2, 30, 40, wide), { what: 'read', fromUs: 50, toUs: 60, found: [1, 1, 2, 1] },
      ...[0, 1, 2, 3].flatMap((slba) => rereads(2, 100, { slba })),
    ]);
    expect(result.summary).toBe('1 × stale read in 3 wrong block reads');
    expect(result.evidence).toHaveLength(1);
    expect(result.evidence[0]!.text).toContain('LBA 0–1, 3:');
  });

  it('compares the operations of two hosts', async () => {
    const result = await check([write(1, 10, 20), write(2 ** 40 + 1, 30, 40, { journal: 1 }), read(1, 50, 60), ...rereads(2 ** 40 + 1, 100, { journal: 1 })]);
    expect(result.summary).toContain('1 × stale read');
    expect(result.evidence[0]!.text).toContain('write of version 1#1, op 1 of host2');
  });

  it('names the newest value that was in place, not just the one that came next', async () => {
    const result = await check([...twoWrites, write(3, 41, 45), write(4, 46, 49), read(1, 50, 60), ...rereads(1, 100)]);
    expect(result.evidence[0]!.text).toContain('So version 0#4 was in place before the read began');
  });
});

describe('integrity: what stays unknown', () => {
  const unknown: [string, RegExp, OpSpec[]][] = [
    ['no re-read at all', /of 1 written block, 1 were not re-read at once and 1 not re-read later \(first: LBA 0\)/, [...twoWrites, read(2, 50, 60)]],
    ['no delayed re-read', /0 were not re-read at once and 1 not re-read later/, [...twoWrites, read(2, 50, 60, { purpose: 'reread-at-once' })]],
    ['a re-read that a later write has made worthless', /1 were not re-read at once and 1 not re-read later/, [write(1, 10, 20), ...rereads(1, 100), write(2, 200, 210)]],
    ['a re-read during which a write began', /1 were not re-read at once/,
      [write(1, 10, 20), read(1, 100, 130, { purpose: 'reread-at-once' }), write(2, 110, 120), read(2, 140, 150, { purpose: 'reread-delayed' })]],
    ['a block that a write of unknown outcome may have reached', /first: LBA 9/, [...twoWrites, write(3, 50, 60, { slba: 9, outcome: 'info' }), ...rereads(2, 100)]],
    ['a block that a write without an end may have reached', /first: LBA 9/, [...twoWrites, write(3, 50, undefined, { slba: 9 }), ...rereads(2, 100)]],
    ['re-reads that failed', /1 were not re-read at once and 1/, [...twoWrites, read(2, 45, 46), ...rereads(2, 100, { outcome: 'fail' })]],
    ['nothing acknowledged', /no write was acknowledged/, [write(1, 10, 20, { outcome: 'info' }), ...rereads(0, 100)]],
    ['nothing read', /no read ended ok/, twoWrites],
    ['an operation outside its namespace', /outside its namespace/, [...twoWrites, ...rereads(2, 100), write(3, 200, 210, { slba: 1023, nlb: 2 })]],
    ['a version used twice', /versions are not unique/, [...twoWrites, write(2, 45, 46), ...rereads(2, 100)]],
    ['a write without a version', /carries no version/, [...twoWrites, write(0, 45, 46, { slba: 3 }), ...rereads(2, 100), ...rereads(0, 100, { slba: 3 })]],
    ['a read with too few observations', /has 1 observations/, [...twoWrites, read(2, 50, 60, { nlb: 2 }), ...rereads(2, 100)]],
    ['an acknowledged write that was never sent', /ended ok, but was never sent/, [...twoWrites, write(3, 50, 60, { sends: 0 }), ...rereads(3, 100)]],
    ['an unknown namespace index', /names namespace index 4/, [...twoWrites, write(3, 50, 60, { ns: 4 }), ...rereads(2, 100)]],
  ];
  it.each(unknown)('%s', async (_what, text, specs) => {
    const result = await check(specs);
    expect(result.verdict).toBe('unknown');
    expect(result.evidence.map((each) => each.text).join('\n')).toMatch(text);
  });

  it('a never sent write needs no re-read', async () => {
    expect((await check([...twoWrites, write(3, 50, 60, { slba: 9, outcome: 'fail', sends: 0 }), ...rereads(2, 100)])).verdict).toBe('pass');
  });

  it('damage of the journal, if nothing is proven', async () => {
    const result = await check([...twoWrites, ...rereads(2, 100)], ['journal-host1.ppj: torn after 4096 bytes']);
    expect(result).toMatchObject({ verdict: 'unknown', summary: 'journal: journal-host1.ppj: torn after 4096 bytes' });
  });

  it('damage does not excuse what the rest proves', async () => {
    expect((await check([...twoWrites, read(1, 50, 60), ...rereads(1, 100)], ['torn'])).verdict).toBe('fail');
  });

  it('a value from nowhere is not proven by a damaged journal: its write may be what is missing', async () => {
    const result = await check([...twoWrites, read(99, 50, 60), ...rereads(2, 100)], ['torn']);
    expect(result.verdict).toBe('unknown');
    expect(result.evidence.map(({ text }) => text).join('\n')).toContain('records that the damaged journal lost may explain it');
  });

  it('records out of order, twice, or without their other half', async () => {
    const good = recordsOf([...twoWrites, ...rereads(2, 100)]);
    const cases: [RegExp, typeof good][] = [
      [/time goes back by 25 µs/, [...good.slice(0, 4), { ...good[0]!, op: 77, tUs: 15 }, ...good.slice(4)]],
      [/completes without having been invoked/, good.filter((record) => record !== good[0])],
      [/is invoked twice/, [good[0]!, ...good]],
    ];
    for (const [text, records] of cases) {
      const journal = journalSource([testHeader()], [records]);
      const result = await integrity.check({ ...inputOf([]), journal });
      expect(result.verdict).toBe('unknown');
      expect(result.evidence.map((each) => each.text).join('\n')).toMatch(text);
    }
  });

  it('journals that do not belong to the plan or the run', async () => {
    const input = inputOf([]);
    const records = recordsOf([...twoWrites, ...rereads(2, 100)]);
    const start = { type: 'run.start' as const, runId: 'run-2', suite: '', scenario: '', seed: '', lab: '', git: '', argv: [], version: '', planSha256: '', defects: [], seq: 1, tUs: 0, wallMs: 0, node: 'harness', offUs: 0, errUs: 0 };
    expect((await integrity.check({ ...input, journal: journalSource([], []) })).summary).toBe('the run has no I/O journal');
    const result = await integrity.check({ ...input, events: [start], journal: journalSource([testHeader()], [records]) });
    expect(result).toMatchObject({ verdict: 'unknown', summary: 'the journal of host1 belongs to run run-1, the history to run-2' });
    const other = testHeader({ namespaces: [{ uuid: 'uuid-7', nsid: 1, blockSize: 4096, blocks: 64 }] });
    expect((await integrity.check({ ...input, journal: journalSource([other], [records]) })).summary).toBe('no journal has namespace 1 (uuid-1) of the plan');
    const twins = journalSource([testHeader(), testHeader({ host: 'host2' })], [records, []]);
    expect((await integrity.check({ ...input, journal: twins })).summary).toContain('two journals have the writer number 0');
  });
});

describe('integrity: memory', () => {
  it('forgets overwritten values even where reads of the block always overlap', () => {
    const space = new RegisterSpace();
    const slot = space.slotOf(0, 0);
    const inFlight = 4;
    const invokedUs: number[] = [];
    let tUs = 0;
    for (let version = 1; version <= 5_000; version += 1) {
      invokedUs.push(++tUs);
      space.readInvoked(slot, tUs);
      space.writeInvoked(slot, version, ++tUs);
      space.writeAcknowledged(slot, version, ++tUs);
      // Four reads are always in flight; each returns what is newest when it ends.
      if (invokedUs.length > inFlight) {
        const from = invokedUs.shift()!;
        expect(space.readReturned(slot, version, from, ++tUs)).toBe(0);
        space.readEnded(slot, from);
      }
    }
    expect(space.liveValuesPeak).toBeLessThan(4 * inFlight);
  });

  it('keeps one value per quiet block', () => {
    const space = new RegisterSpace();
    for (let lba = 0; lba < 3_000; lba += 1) {
      for (let version = 1; version < 5; version += 1) {
        space.writeInvoked(space.slotOf(1, lba), lba * 10 + version, version * 10);
        space.writeAcknowledged(space.slotOf(1, lba), lba * 10 + version, version * 10 + 5);
      }
    }
    expect(space.liveValues).toBe(3_000);
    const slots = new Set<number>();
    space.forEachSlot((namespace, lba, slot) => {
      expect(namespace).toBe(1);
      expect(space.slotOf(1, lba)).toBe(slot);
      slots.add(slot);
    });
    expect(slots.size).toBe(3_072);
  });
});
