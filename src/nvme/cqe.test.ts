import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCqe, encodeCqe, isAnaError, isPathError, makeCqe, Status, statusName } from './index.js';
import { bufferArb, codecError, cqeArb, hex } from './testing/support.js';

describe('completion queue entry', () => {
  it('places every field', () => {
    const bytes = encodeCqe({ cid: 0x0102, result: 0x8877_6655_4433_2211n, sqhd: 0x0a0b, sqid: 0x0c0d, status: Status.anaTransition, crd: 1, dnr: true });
    // Status word: SC 03h << 1 | SCT 3 << 9 | CRD 1 << 12 | DNR << 15 = 9606h.
    expect(bytes.toString('hex')).toBe(hex('11223344 55667788 0b0a 0d0c 0201 0696').toString('hex'));
  });

  it('round trip', () => {
    fc.assert(fc.property(cqeArb, (cqe) => {
      expect(decodeCqe(encodeCqe(cqe))).toEqual(cqe);
    }));
  });

  it('any 16 bytes decode, and encode again to the same but for the phase tag', () => {
    fc.assert(fc.property(bufferArb(16), (bytes) => {
      const same = Buffer.from(bytes);
      same[14]! &= 0xfe;
      expect(encodeCqe(decodeCqe(bytes)).equals(same)).toBe(true);
    }));
  });

  it('dw0 alone is enough, and may not contradict result', () => {
    expect(makeCqe({ cid: 1, dw0: 0xffff_ffff })).toMatchObject({ result: 0xffff_ffffn, dw0: 0xffff_ffff, status: 0, dnr: false });
    expect(makeCqe({ cid: 1, result: 0x5_0000_0007n })).toMatchObject({ dw0: 7 });
    expect(codecError(() => makeCqe({ cid: 1, result: 7n, dw0: 8 })).code).toBe('FIELD_RANGE');
  });

  it('refuses what does not fit', () => {
    for (const bad of [{ cid: -1 }, { cid: 1, status: 0x800 }, { cid: 1, crd: 4 }, { cid: 1, result: 1n << 64n }, { cid: 1, result: -1n }, { cid: 1, dw0: 2 ** 32 }, { cid: 1, sqhd: 0.5 }]) {
      expect(codecError(() => encodeCqe(bad)).code).toBe('FIELD_RANGE');
    }
    expect(codecError(() => decodeCqe(Buffer.alloc(15))).code).toBe('TRUNCATED');
  });
});

describe('status', () => {
  it('has a name for every constant, and none twice', () => {
    const names = Object.values(Status).map(statusName);
    expect(names.filter((name) => name.startsWith('SCT'))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('names what it does not know by its numbers', () => {
    expect(statusName(0x37f)).toBe('SCT 3h SC 7Fh');
    expect(statusName(0x7_0c)).toBe('SCT 7h SC 0Ch');
    expect(statusName(Status.anaInaccessible)).toBe('Asymmetric Access Inaccessible');
  });

  it('SCT 3 is a path error; only three of them are about ANA states', () => {
    const path = Object.entries(Status).filter(([, status]) => isPathError(status)).map(([name]) => name);
    expect(path).toEqual(['anaInternal', 'anaPersistentLoss', 'anaInaccessible', 'anaTransition', 'controllerPathError', 'hostPathError', 'hostAborted']);
    expect(Object.values(Status).filter(isAnaError)).toEqual([0x301, 0x302, 0x303]);
    // SC 03h of another type is not.
    expect(isPathError(Status.commandIdConflict)).toBe(false);
  });
});
