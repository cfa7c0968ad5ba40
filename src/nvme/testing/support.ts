/** Shared by the codec's tests: hex helpers and fast-check arbitraries. Not part of the codec's API. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { makeCqe, NvmeCodecError } from '../index.js';
import type { Cqe, Digests, Pdu } from '../index.js';

/** Bytes of a hex string; spaces and line breaks are for the reader. */
export function hex(text: string): Buffer {
  const digits = text.replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${text}`);
  return Buffer.from(digits, 'hex');
}

/** `count` zero bytes as hex. */
export function zeros(count: number): string {
  return '00'.repeat(count);
}

/** The NvmeCodecError that `run` throws; fails the test if it throws nothing or something else. */
export function codecError(run: () => unknown): NvmeCodecError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(NvmeCodecError);
  return thrown as NvmeCodecError;
}

export const u8Arb = fc.nat(0xff);
export const u16Arb = fc.nat(0xffff);
export const u32Arb = fc.nat(0xffff_ffff);
export const u64Arb = fc.bigInt(0n, 0xffff_ffff_ffff_ffffn);
export const safeArb = fc.maxSafeNat();
export const digestsArb: fc.Arbitrary<Digests> = fc.record({ header: fc.boolean(), data: fc.boolean() });

export function bufferArb(minLength: number, maxLength = minLength): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes));
}

export const nqnArb = fc.string({ maxLength: 100 }).filter((text) => !text.includes('\0') && Buffer.byteLength(text) <= 223);

export const cqeArb: fc.Arbitrary<Cqe> = fc
  .record({
    cid: u16Arb, result: fc.oneof(fc.constant(0n), u64Arb), sqhd: u16Arb, sqid: u16Arb, status: fc.nat(0x7ff), crd: fc.nat(3), more: fc.boolean(), dnr: fc.boolean(),
  })
  .map((fields) => makeCqe(fields));

const termArb = fc.oneof(
  fc.record({ fes: fc.constantFrom(1, 2, 4, 5, 6), fei: u16Arb }),
  // Header digest error: FEI is a digest, any 32 bits.
  fc.record({ fes: fc.constant(3), fei: u32Arb }),
);

const c2hArb = fc.boolean().chain((last) =>
  fc.record({
    type: fc.constant('C2HData' as const), cid: u16Arb, offset: u32Arb, data: bufferArb(1, 300), last: fc.constant(last), success: last ? fc.boolean() : fc.constant(false),
  }),
);

/** Any PDU that the given side may receive. */
export function pduArb(role: 'host' | 'controller'): fc.Arbitrary<Pdu> {
  const ic = { pfv: u16Arb, headerDigest: fc.boolean(), dataDigest: fc.boolean() };
  const term = <T extends 'H2CTermReq' | 'C2HTermReq'>(type: T): fc.Arbitrary<Pdu> =>
    fc.tuple(termArb, bufferArb(0, 128)).map(([fatal, header]) => ({ type, ...fatal, header }));
  if (role === 'controller') {
    return fc.oneof(
      fc.record({ type: fc.constant('ICReq' as const), hpda: fc.nat(31), maxR2t: fc.integer({ min: 1, max: 0x1_0000_0000 }), ...ic }),
      term('H2CTermReq'),
      fc.record({ type: fc.constant('CapsuleCmd' as const), sqe: bufferArb(64), data: bufferArb(0, 300) }),
      fc.record({ type: fc.constant('H2CData' as const), cid: u16Arb, ttag: u16Arb, offset: u32Arb, data: bufferArb(1, 300), last: fc.boolean() }),
    );
  }
  return fc.oneof(
    fc.record({ type: fc.constant('ICResp' as const), cpda: fc.nat(31), maxH2cData: u32Arb, ...ic }),
    term('C2HTermReq'),
    fc.record({ type: fc.constant('CapsuleResp' as const), cqe: cqeArb }),
    c2hArb,
    fc.record({ type: fc.constant('R2T' as const), cid: u16Arb, ttag: u16Arb, offset: u32Arb, length: fc.integer({ min: 1, max: 0xffff_ffff }) }),
  );
}
