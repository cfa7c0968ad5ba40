import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFabricsSqe, decodeRw, decodeSqe, encodePdu, NvmeCodecError, PduReader } from './index.js';
import type { Digests, Pdu } from './index.js';
import { bufferArb, digestsArb, pduArb, u8Arb } from './testing/support.js';

const roles = ['host', 'controller'] as const;
const roleArb = fc.constantFrom(...roles);
const alignArb = fc.integer({ min: 1, max: 32 }).map((units) => units * 4);

/** Cuts `wire` at the given places (any numbers) and pushes the pieces. */
function pushPieces(reader: PduReader, wire: Buffer, cuts: readonly number[]): Pdu[] {
  const at = [0, ...cuts.map((cut) => cut % (wire.length + 1)), wire.length].sort((a, b) => a - b);
  const out: Pdu[] = [];
  for (let i = 1; i < at.length; i += 1) out.push(...reader.push(wire.subarray(at[i - 1], at[i])));
  return out;
}

describe.each(roles)('round trip at the %s', (role) => {
  it('any PDUs, digests, alignment and cuts', () => {
    fc.assert(
      fc.property(fc.array(pduArb(role), { minLength: 1, maxLength: 6 }), digestsArb, alignArb, fc.array(fc.nat(5000), { maxLength: 12 }), (pdus, digests, alignBytes, cuts) => {
        const wire = Buffer.concat(pdus.flatMap((pdu) => encodePdu(pdu, digests, alignBytes)));
        const reader = new PduReader({ role, digests, alignBytes });
        expect(pushPieces(reader, wire, cuts)).toEqual(pdus);
        expect(reader.pendingBytes).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('hostile input', () => {
  function drain(reader: PduReader, wire: Buffer, cuts: readonly number[]): void {
    try {
      for (const pdu of pushPieces(reader, wire, cuts)) {
        if (pdu.type !== 'CapsuleCmd') continue;
        decodeRw(decodeSqe(pdu.sqe));
        if (pdu.sqe[0] === 0x7f) decodeFabricsSqe(pdu.sqe);
      }
      expect(reader.pendingBytes).toBeLessThanOrEqual(wire.length);
    } catch (error) {
      expect(error).toBeInstanceOf(NvmeCodecError);
      expect((error as NvmeCodecError).fes).toBeGreaterThan(0);
    }
  }

  it('random bytes end in PDUs, in waiting, or in an NvmeCodecError', () => {
    fc.assert(
      fc.property(roleArb, digestsArb, bufferArb(0, 600), fc.array(fc.nat(600), { maxLength: 5 }), (role, digests, wire, cuts) => {
        drain(new PduReader({ role, digests }), wire, cuts);
      }),
      { numRuns: 2000 },
    );
  });

  it('a plausible common header in front of random bytes', () => {
    const headerArb = fc.record({
      type: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 9), flags: fc.nat(15), hlen: fc.constantFrom(128, 24, 72), pdo: u8Arb,
      plen: fc.oneof(fc.nat(300), fc.nat(0xffff_ffff)),
    });
    fc.assert(
      fc.property(roleArb, digestsArb, headerArb, bufferArb(0, 400), (role, digests, header, rest) => {
        const ch = Buffer.of(header.type, header.flags, header.hlen, header.pdo, 0, 0, 0, 0);
        ch.writeUInt32LE(header.plen, 4);
        drain(new PduReader({ role, digests }), Buffer.concat([ch, rest]), []);
      }),
      { numRuns: 5000 },
    );
  });

  it('valid frames with bytes changed, removed or repeated', () => {
    const mutationArb = fc.record({ at: fc.nat(2000), kind: fc.constantFrom('flip', 'drop', 'repeat'), value: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(roleArb.chain((role) => fc.tuple(fc.constant(role), fc.array(pduArb(role), { minLength: 1, maxLength: 4 }))), digestsArb, fc.array(mutationArb, { minLength: 1, maxLength: 4 }),
        ([role, pdus], digests, mutations) => {
          let wire = Buffer.concat(pdus.flatMap((pdu) => encodePdu(pdu, digests)));
          for (const { at, kind, value } of mutations) {
            const place = at % wire.length;
            if (kind === 'flip') wire[place]! ^= value;
            else if (kind === 'drop') wire = Buffer.concat([wire.subarray(0, place), wire.subarray(Math.min(place + value, wire.length))]);
            else wire = Buffer.concat([wire.subarray(0, place), wire.subarray(Math.max(0, place - value))]);
            if (wire.length === 0) break;
          }
          drain(new PduReader({ role, digests }), wire, []);
        }),
      { numRuns: 3000 },
    );
  });

  it('with both digests on, one damaged byte is never taken for something sent', () => {
    const digests: Digests = { header: true, data: true };
    const damageArb = fc.record({ at: fc.nat(2000), value: fc.integer({ min: 1, max: 255 }) });
    const digestedArb = fc.tuple(roleArb).chain(([role]) =>
      fc.tuple(fc.constant(role), pduArb(role).filter((pdu) => !pdu.type.startsWith('IC') && !pdu.type.endsWith('TermReq'))),
    );
    fc.assert(
      fc.property(digestedArb, damageArb, ([role, pdu], { at, value }) => {
        const wire = Buffer.concat(encodePdu(pdu, digests));
        wire[at % wire.length]! ^= value;
        let got: Pdu[];
        try {
          got = new PduReader({ role, digests }).push(wire);
        } catch (error) {
          expect(error).toBeInstanceOf(NvmeCodecError);
          return;
        }
        // The header is there, so its digest was checked: whatever PLEN became, the reader does not just wait.
        expect(got).toHaveLength(1);
        // H2CData and C2HData are one bit from a TermReq, which has no digest; it ends the connection all the same.
        if (got[0]!.type === (role === 'host' ? 'C2HTermReq' : 'H2CTermReq')) return;
        expect(got[0]).toMatchObject({ dataDigestError: true });
      }),
      { numRuns: 2000 },
    );
  });
});
