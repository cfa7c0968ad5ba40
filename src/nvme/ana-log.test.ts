import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anaGroupState, anaLogMaxBytes, AnaState, anaStateName, anaStateValue, decodeAnaLog, encodeAnaLog, NvmeCodecError } from './index.js';
import type { AnaGroup, AnaLog, AnaStateName } from './index.js';
import { bufferArb, codecError, hex, safeArb, zeros } from './testing/support.js';

const two: AnaLog = {
  changeCount: 5,
  groups: [
    { id: 1, changeCount: 4, state: 'optimized', nsids: [1, 3] },
    { id: 2, changeCount: 5, state: 'inaccessible', nsids: [2] },
  ],
};

const twoWire = hex(`
  0500000000000000 0200 000000000000
  01000000 02000000 0400000000000000 01 ${zeros(15)} 01000000 03000000
  02000000 01000000 0500000000000000 03 ${zeros(15)} 02000000`);

const twoRgoWire = hex(`
  0500000000000000 0200 000000000000
  01000000 00000000 0400000000000000 01 ${zeros(15)}
  02000000 00000000 0500000000000000 03 ${zeros(15)}`);

describe('ANA log', () => {
  it('golden', () => {
    expect(encodeAnaLog(two).toString('hex')).toBe(twoWire.toString('hex'));
    expect(decodeAnaLog(twoWire)).toEqual(two);
  });

  it('groups only (RGO): no namespaces, same states', () => {
    expect(encodeAnaLog({ ...two, rgo: true }).toString('hex')).toBe(twoRgoWire.toString('hex'));
    expect(decodeAnaLog(twoRgoWire)).toEqual({ ...two, groups: two.groups.map((group) => ({ ...group, nsids: [] })) });
  });

  it('what follows the last descriptor is not looked at', () => {
    expect(decodeAnaLog(Buffer.concat([twoWire, Buffer.alloc(100, 0xff)]))).toEqual(two);
  });

  it('a log cut anywhere is refused, and named so', () => {
    for (const wire of [twoWire, twoRgoWire]) {
      for (let at = 0; at < wire.length; at += 1) {
        expect(codecError(() => decodeAnaLog(wire.subarray(0, at))).code, `cut at ${at}`).toBe('TRUNCATED');
      }
    }
  });

  it('writes groups and namespaces in ascending order, whatever order they are given in', () => {
    const shuffled = { changeCount: 5, groups: [two.groups[1]!, { ...two.groups[0]!, nsids: [3, 1] }] };
    expect(encodeAnaLog(shuffled).equals(twoWire)).toBe(true);
    expect(shuffled.groups[1]!.nsids).toEqual([3, 1]);
  });

  it('round trip of every state, empty groups and logs included', () => {
    const stateArb = fc.constantFrom(...(Object.keys(AnaState) as AnaStateName[]));
    const arb = fc.uniqueArray(fc.integer({ min: 1, max: 0xffff_fffe }), { maxLength: 60 }).chain((nsids) =>
      fc.record({
        changeCount: safeArb,
        groups: fc.uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 0xffff_ffff }), changeCount: safeArb, state: stateArb }), { maxLength: 16, selector: (group) => group.id }).map((groups) => {
          const sorted = [...groups].sort((a, b) => a.id - b.id);
          // Each namespace is in one group; those of the last remainder are in none.
          return sorted.map((group, i): AnaGroup => ({ ...group, nsids: nsids.filter((_, n) => n % (sorted.length + 1) === i).sort((a, b) => a - b) }));
        }),
      }),
    );
    fc.assert(fc.property(arb, (log) => {
      expect(decodeAnaLog(encodeAnaLog(log))).toEqual(log);
    }), { numRuns: 300 });
  });

  it('a group without a descriptor has no state: never assume one', () => {
    expect(anaGroupState(two, 1)).toBe('optimized');
    expect(anaGroupState(two, 2)).toBe('inaccessible');
    expect(anaGroupState(two, 3)).toBeUndefined();
  });

  it('the largest log', () => {
    expect(anaLogMaxBytes({ nanagrpid: 16, mnan: 256, nn: 1024 })).toBe(16 + 32 * 16 + 4 * 256);
    expect(anaLogMaxBytes({ nanagrpid: 2, mnan: 0, nn: 10 })).toBe(16 + 64 + 40);
  });

  it('only the low nibble of the state counts', () => {
    const wire = Buffer.from(twoRgoWire);
    wire[32]! |= 0xf0;
    expect(decodeAnaLog(wire).groups[0]!.state).toBe('optimized');
  });

  it('a change count beyond 2^53 does not cost the states', () => {
    const wire = Buffer.from(twoRgoWire);
    wire.fill(0xff, 0, 8);
    wire.fill(0xff, 24, 32);
    expect(decodeAnaLog(wire).groups.map((group) => group.state)).toEqual(['optimized', 'inaccessible']);
  });
});

describe('ANA log refuses', () => {
  const group: AnaGroup = { id: 1, changeCount: 0, state: 'optimized', nsids: [1] };
  const wire = (edit: (b: Buffer) => void): Buffer => {
    const b = Buffer.from(twoWire);
    edit(b);
    return b;
  };

  const decoding: [string, Buffer, string][] = [
    ['state 0', wire((b) => (b[32] = 0)), 'ANA_LOG'],
    ['state 5', wire((b) => (b[32] = 5)), 'ANA_LOG'],
    ['state Eh', wire((b) => (b[32] = 0xe)), 'ANA_LOG'],
    ['group 0', wire((b) => b.writeUInt32LE(0, 16)), 'ANA_LOG'],
    ['one group twice', wire((b) => b.writeUInt32LE(1, 56)), 'ANA_LOG'],
    ['a namespace in two groups', wire((b) => b.writeUInt32LE(3, 88)), 'ANA_LOG'],
    ['namespaces out of order', wire((b) => b.writeUInt32LE(4, 48)), 'NSID_LIST'],
    ['NSID 0', wire((b) => b.writeUInt32LE(0, 48)), 'NSID_LIST'],
    ['NSID FFFFFFFFh', wire((b) => b.writeUInt32LE(0xffff_ffff, 52)), 'NSID_LIST'],
    ['more groups than there are', wire((b) => b.writeUInt16LE(3, 8)), 'TRUNCATED'],
    ['65535 groups', wire((b) => b.writeUInt16LE(0xffff, 8)), 'TRUNCATED'],
    ['4 billion namespaces', wire((b) => b.writeUInt32LE(0xffff_ffff, 60)), 'TRUNCATED'],
  ];
  it.each(decoding)('to read %s', (_name, bytes, code) => {
    expect(codecError(() => decodeAnaLog(bytes)).code).toBe(code);
  });

  const encoding: [string, AnaGroup[], string][] = [
    ['group 0', [{ ...group, id: 0 }], 'ANA_LOG'],
    ['one group twice', [group, { ...group, nsids: [2] }], 'ANA_LOG'],
    ['a namespace in two groups', [group, { ...group, id: 2 }], 'ANA_LOG'],
    ['a namespace twice', [{ ...group, nsids: [1, 1] }], 'NSID_LIST'],
    ['NSID 0', [{ ...group, nsids: [0] }], 'NSID_LIST'],
    ['a state from untyped input', [{ ...group, state: 'unknown' as AnaStateName }], 'ANA_LOG'],
    ['a name that only objects have', [{ ...group, state: 'toString' as AnaStateName }], 'ANA_LOG'],
    ['a negative change count', [{ ...group, changeCount: -1 }], 'FIELD_RANGE'],
  ];
  it.each(encoding)('to write %s', (_name, groups, code) => {
    expect(codecError(() => encodeAnaLog({ changeCount: 0, groups })).code).toBe(code);
    // Also with RGO, where the namespaces are not written but must be right all the same.
    expect(codecError(() => encodeAnaLog({ changeCount: 0, groups, rgo: true })).code).toBe(code);
  });

  it('random and mutated logs only with a code', () => {
    const mutations = fc.array(fc.tuple(fc.nat(twoWire.length - 1), fc.nat(255)), { maxLength: 4 });
    const arb = fc.oneof(bufferArb(0, 300), mutations.map((edits) => wire((b) => edits.forEach(([at, value]) => (b[at] = value)))));
    fc.assert(fc.property(arb, (bytes) => {
      try {
        const log = decodeAnaLog(bytes);
        expect(log.groups.every((one) => one.id !== 0)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(NvmeCodecError);
      }
    }), { numRuns: 2000 });
  });
});

describe('ANA states', () => {
  it('names and values are one to one', () => {
    expect(AnaState).toEqual({ optimized: 1, 'non-optimized': 2, inaccessible: 3, 'persistent-loss': 4, change: 15 });
    for (const name of Object.keys(AnaState) as AnaStateName[]) expect(anaStateName(anaStateValue(name))).toBe(name);
    expect([0, 5, 14, 16, -1].map(anaStateName)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});
