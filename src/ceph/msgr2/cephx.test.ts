import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  authenticate, authRequestPayload, decodeCephxDone, encodeEntityName, parseEntityName, proveKey, serverChallenge,
} from './cephx.js';
import { challengeKey, decryptRaw, encryptRaw, open, seal } from './cephx-crypto.js';
import { authDone, authReplyMore, authRequest, authRequestMore } from './control.js';
import { encoded } from './encoding.js';
import { CephError } from './errors.js';
import { FrameReader } from './frame-reader.js';
import type { Frame } from './frame.js';
import { encodeKey, KeyType, parseKey } from './keyring.js';
import type { CephKey } from './keyring.js';
import { captured } from './testing/captures.js';

const code = (name: string): RegExp => new RegExp(`^${name}:`);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const created = { seconds: 0, nanoseconds: 0 };
const aes = (secret: Buffer): CephKey => ({ type: KeyType.aes, created, secret });
const aes256k = (secret: Buffer): CephKey => ({ type: KeyType.aes256k, created, secret });

/** Key of client.nvmeof.gw1 in cap-cephx.txt. */
const capturedKey = 'AgAk2wBr/G9QDiAAvHXoV+1HKsB+C6YVWHTVVqhlrAu5PjxrT9TBlYujJW0=';

describe('keys', () => {
  it('type 2, and back to the same base64', () => {
    const key = parseKey(capturedKey);
    expect(key.type).toBe(KeyType.aes256k);
    expect(key.secret.toString('hex')).toBe('bc75e857ed472ac07e0ba6155874d556a865ac0bb93e3c6b4fd4c1958ba3256d');
    expect(encoded((e) => encodeKey(e, key)).toString('base64')).toBe(capturedKey);
  });

  it('type 1, with white space around it', () => {
    const key = parseKey(' AQCW2wBribxDGRAAPnMAGD07m38GNYGMKQCTRQ==\n');
    expect([key.type, key.secret.length]).toEqual([KeyType.aes, 16]);
  });

  it.each([
    ['not base64', '[client.admin]'],
    ['empty', ''],
    ['cut off', capturedKey.slice(0, 40)],
    ['of another type', encoded((e) => e.u16(3).u32(0).u32(0).u16(4).u32(0)).toString('base64')],
    ['with a secret of the wrong length', encoded((e) => e.u16(2).u32(0).u32(0).u16(16).raw(Buffer.alloc(16))).toString('base64')],
    ['with bytes behind it', Buffer.concat([Buffer.from(capturedKey, 'base64'), Buffer.from([1])]).toString('base64')],
  ])('%s is refused, without the key in the message', (_what, text) => {
    expect(() => parseKey(text)).toThrow(code('AUTH_KEY_FORMAT'));
    try {
      parseKey(text);
    } catch (error) {
      if (text.length > 8) expect((error as Error).message).not.toContain(text.slice(4, 12));
    }
  });
});

describe('encryption, known answers', () => {
  // RFC 8009 appendix A, aes256-cts-hmac-sha384-192, key usage 2.
  const key = aes256k(hex('6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52'));
  it.each([
    ['shorter than a block', '000102030405', 'B80D3251C1F6471494256FFE712D0B9A',
      '4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9 f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2'],
    ['one block', '000102030405060708090a0b0c0d0e0f', '53BF8A0D105265D4E276428624CE5E63',
      'bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f6 8cf51f14d798c2273f35df574d1f932e40c4ff255b36a266'],
    // One block of confounder alone: nothing to swap.
    ['empty', '', 'F764E9FA15C276478B2C7D0C4E5F58E4',
      '41f53fa5bfe7026d91faf9be959195a0 58707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c'],
    // Two blocks after the confounder, less one byte: the long way round in CTS.
    ['a block and a half', '000102030405060708090a0b0c0d0e0f1011121314', '763E65367E864F02F55153C7E3B58AF1',
      '40013e2df58e8751957d 2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62'],
  ])('RFC 8009: %s', (_what, plain, confounder, expected) => {
    const sealed = encryptRaw(key, 2, hex(plain), hex(confounder));
    expect(sealed.toString('hex')).toBe(expected.replaceAll(' ', ''));
    expect(decryptRaw(key, 2, sealed).toString('hex')).toBe(plain);
  });

  it('type 1 is AES-128-CBC with the fixed IV', () => {
    const sealed = encryptRaw(aes(Buffer.from('1234567890123456')), 0, Buffer.from('hello'), Buffer.alloc(16));
    expect(sealed.toString('hex')).toBe('e64d88763db94907f6d7f9ffeb567596');
  });

  it('challenge keys', () => {
    expect(challengeKey(aes(Buffer.from('1234567890123456')), 1n, 2n)).toBe(0x0b59_14ce_a6cc_7a4an);
    expect(challengeKey(aes256k(Buffer.alloc(32, 7)), 1n, 2n)).toBe(0x951d_5ff6_860b_ce8cn);
  });
});

describe('sealed objects', () => {
  const keys = fc.oneof(
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((secret) => aes(Buffer.from(secret))),
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map((secret) => aes256k(Buffer.from(secret))),
  );

  it('round trip with both key types, at every length', () => {
    fc.assert(fc.property(keys, fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 100 }), (key, usage, bytes) => {
      expect(open(key, usage, seal(key, usage, Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
    }));
  });

  it('do not open with another key, another usage, or a changed byte', () => {
    const sealed = seal(aes256k(Buffer.alloc(32, 1)), 4, Buffer.from('a session key'));
    expect(() => open(aes256k(Buffer.alloc(32, 2)), 4, sealed)).toThrow(code('AUTH_DECRYPT'));
    expect(() => open(aes256k(Buffer.alloc(32, 1)), 5, sealed)).toThrow(code('AUTH_DECRYPT'));
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => open(aes256k(Buffer.alloc(32, 1)), 4, changed)).toThrow(code('AUTH_DECRYPT'));
    }
    const old = seal(aes(Buffer.alloc(16, 1)), 0, Buffer.from('a session key'));
    expect(() => open(aes(Buffer.alloc(16, 2)), 0, old)).toThrow(code('AUTH_DECRYPT'));
  });

  it('of any garbage: AUTH_DECRYPT', () => {
    fc.assert(fc.property(keys, fc.uint8Array({ maxLength: 80 }), (key, bytes) => {
      expect(() => open(key, 4, Buffer.from(bytes))).toThrow(code('AUTH_DECRYPT'));
    }));
  });
});

describe('the exchange with a real monitor', () => {
  const key = parseKey(capturedKey);
  const frame = (name: string): Frame => {
    const reader = new FrameReader();
    reader.push(captured('cap-cephx.txt').find((each) => each.name === name)!.bytes);
    return reader.next()!.frame;
  };

  it('AUTH_REQUEST', () => {
    const { payload } = authRequest.decode(frame('AUTH_REQUEST'));
    expect(authRequestPayload.decode(payload)).toEqual({ name: { type: 8, id: 'nvmeof.gw1' }, globalId: 0n });
    expect(authRequestPayload.encode(parseEntityName('client.nvmeof.gw1'), 0n)).toEqual(payload);
  });

  it('the challenge and its answer', () => {
    const challengePayload = authReplyMore.decode(frame('AUTH_REPLY_MORE'));
    const server = serverChallenge.decode(challengePayload);
    expect(server).toBe(0x8a59_cfae_733e_ad66n);
    expect(serverChallenge.encode(server)).toEqual(challengePayload);
    const payload = authRequestMore.decode(frame('AUTH_REQUEST_MORE'));
    const client = 0x6efd_d4c3_a3a7_8d73n;
    expect(proveKey(key, server, client).toString('hex')).toBe(payload.toString('hex'));
    expect(authenticate.decode(payload)).toEqual({
      clientChallenge: client, key: 0x3c52_36ac_b1e6_822en, oldTicket: { secretId: 0n, blob: Buffer.alloc(0) }, wantedKeys: 0x25,
    });
  });

  it('the first ticket', () => {
    const inner = open(key, 4, hex('e205543fbb95a91b1880ab5b17a55b39674030f5acdb7baafa0a3e31030c26da23fd6f5c209a6cd7689329560cc22c1ca64b2f6388adaaccbff932bed1863bf513e98af831f823468e59b2281dc02d267517f381b7ed30a509b75d0c020893f1508a8a949c95'));
    expect(inner.toString('hex')).toBe('01' + '020006e0006bf19b9e1520000087de3f25b39b120043447b21156bab2bf4539e88f65d0df5a3978f491055b6' + '80f4030000000000');
  });

  it('AUTH_DONE: session key, ticket, no connection secret in crc mode', () => {
    const done = authDone.decode(frame('AUTH_DONE'));
    const result = decodeCephxDone(done.payload, key, undefined);
    expect(result.sessionKey.secret.toString('hex')).toBe('0087de3f25b39b120043447b21156bab2bf4539e88f65d0df5a3978f491055b6');
    expect(result.ticket.secretId).toBe(2n);
    expect(result.ticket.blob).toHaveLength(155);
    expect(result.connectionSecret).toHaveLength(0);
  });

  it('AUTH_DONE cut at any byte, or read with another key, is refused', () => {
    const { payload } = authDone.decode(frame('AUTH_DONE'));
    // The tickets for other services at the end are not looked at.
    const looksAt = 4 + 2 + 5 + 4 + 1 + 4 + 102 + 1 + 4 + 0xa8 + 4 + 0x39;
    for (let cut = 0; cut < looksAt; cut += 1) expect(() => decodeCephxDone(payload.subarray(0, cut), key, undefined)).toThrow(CephError);
    expect(() => decodeCephxDone(payload, aes256k(randomBytes(32)), undefined)).toThrow(code('AUTH_DECRYPT'));
  });

  it('a status other than 0 is a refusal', () => {
    expect(() => decodeCephxDone(encoded((e) => e.u16(0x0100).s32(-13)), key, undefined)).toThrow(code('AUTH_DENIED'));
    expect(() => decodeCephxDone(encoded((e) => e.u16(0x0200).s32(0)), key, undefined)).toThrow(code('MSGR_FIELD'));
  });
});

describe('entity names', () => {
  it('are client.ID', () => {
    expect(parseEntityName('client.a.b')).toEqual({ type: 8, id: 'a.b' });
    for (const bad of ['client', 'client.', 'osd.0', '']) expect(() => parseEntityName(bad)).toThrow(code('MSGR_FIELD'));
    expect(encoded((e) => encodeEntityName(e, { type: 8, id: 'x' })).toString('hex')).toBe('080000000100000078');
  });
});
