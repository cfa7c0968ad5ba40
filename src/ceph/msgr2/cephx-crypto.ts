import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Decoder, encoded } from './encoding.js';
import { CephError } from './errors.js';
import { KeyType } from './keyring.js';
import type { CephKey } from './keyring.js';

/** What an encryption is for; type 2 keys derive separate keys for each (facts: msgr2.md §5.2). */
export const Usage = {
  connectionSecret: 0x03,
  ticketSessionKey: 0x04,
  ticketBlob: 0x05,
  ticketInfo: 0x30,
} as const;

const block = 16;
const macBytes = 24;
const wrapVersion = 1;
const wrapMagic = 0xff00_9cad_8826_aa55n;
/** IV of every type 1 encryption (ceph/src/auth/Crypto.cc). */
const aesIv = Buffer.from('cephsageyudagreg', 'latin1');
const zeroBlock = Buffer.alloc(block);

/** Encrypts an object behind Ceph's version and magic, without a length in front. */
export function seal(key: CephKey, usage: number, object: Buffer, confounder: Buffer = randomBytes(block)): Buffer {
  return encryptRaw(key, usage, encoded((e) => e.u8(wrapVersion).u64(wrapMagic).raw(object)), confounder);
}

/** The object inside. Throws AUTH_DECRYPT: wrong key, or bytes that were changed. */
export function open(key: CephKey, usage: number, sealed: Buffer): Buffer {
  const d = new Decoder(decryptRaw(key, usage, sealed));
  if (d.remaining < 9 || d.u8() !== wrapVersion || d.u64() !== wrapMagic) throw new CephError('AUTH_DECRYPT', 'wrong magic: encrypted with another key');
  return d.rest();
}

/**
 * Type 1: AES-128-CBC with a fixed IV and PKCS#7; usage and confounder do not matter. Type 2:
 * aes256-cts-hmac-sha384-192 of RFC 8009 with this usage.
 */
export function encryptRaw(key: CephKey, usage: number, plain: Buffer, confounder: Buffer): Buffer {
  if (key.type === KeyType.aes) {
    const cipher = createCipheriv('aes-128-cbc', key.secret, aesIv);
    return Buffer.concat([cipher.update(plain), cipher.final()]);
  }
  const { encryption, integrity } = derive(key.secret, usage);
  const cipherText = ctsEncrypt(encryption, Buffer.concat([confounder, plain]));
  return Buffer.concat([cipherText, mac(integrity, cipherText)]);
}

export function decryptRaw(key: CephKey, usage: number, sealed: Buffer): Buffer {
  if (key.type === KeyType.aes) {
    try {
      const decipher = createDecipheriv('aes-128-cbc', key.secret, aesIv);
      return Buffer.concat([decipher.update(sealed), decipher.final()]);
    } catch (error) {
      throw new CephError('AUTH_DECRYPT', 'encrypted with another key', error);
    }
  }
  // The confounder is a whole block, so there is never less than one block of cipher text.
  if (sealed.length < block + macBytes) throw new CephError('AUTH_DECRYPT', `${sealed.length} bytes are too few`);
  const { encryption, integrity } = derive(key.secret, usage);
  const cipherText = sealed.subarray(0, sealed.length - macBytes);
  if (!timingSafeEqual(mac(integrity, cipherText), sealed.subarray(cipherText.length))) {
    throw new CephError('AUTH_DECRYPT', 'encrypted with another key, or changed');
  }
  return ctsDecrypt(encryption, cipherText).subarray(block);
}

/**
 * The proof that we hold the key, from both challenges. Type 1: all whole 64-bit words of the encrypted pair,
 * its length prefix included, XORed. Type 2: the words of an HMAC-SHA256, XORed (facts: msgr2.md §5.3).
 */
export function challengeKey(key: CephKey, serverChallenge: bigint, clientChallenge: bigint): bigint {
  const pair = encoded((e) => e.u64(serverChallenge).u64(clientChallenge));
  const mixed = key.type === KeyType.aes
    ? encoded((e) => e.blob(seal(key, 0, pair)))
    : createHmac('sha256', key.secret).update(pair).digest();
  let folded = 0n;
  for (let at = 0; at + 8 <= mixed.length; at += 8) folded ^= mixed.readBigUInt64LE(at);
  return folded;
}

/** RFC 8009 section 3: KDF-HMAC-SHA2 with the usage and a byte that says what the key is for. */
function derive(secret: Buffer, usage: number): { encryption: Buffer; integrity: Buffer } {
  const kdf = (purpose: number, bytes: number): Buffer => {
    const input = Buffer.alloc(14);
    input.writeUInt32BE(1, 0);
    input.writeUInt32BE(usage, 4);
    input.writeUInt8(purpose, 8);
    input.writeUInt32BE(bytes * 8, 10);
    return createHmac('sha384', secret).update(input).digest().subarray(0, bytes);
  };
  return { encryption: kdf(0xaa, 32), integrity: kdf(0x55, 24) };
}

function mac(integrityKey: Buffer, cipherText: Buffer): Buffer {
  return createHmac('sha384', integrityKey).update(zeroBlock).update(cipherText).digest().subarray(0, macBytes);
}

/**
 * AES-256-CBC with ciphertext stealing, variant CS3, zero IV: the last two blocks change places and the last
 * one is as short as the plain text's. Node's OpenSSL binding does not offer it. Needs at least one block.
 */
function ctsEncrypt(key: Buffer, plain: Buffer): Buffer {
  const whole = Math.ceil(plain.length / block) * block;
  const cipher = createCipheriv('aes-256-cbc', key, zeroBlock).setAutoPadding(false);
  const cbc = Buffer.concat([cipher.update(Buffer.concat([plain], whole)), cipher.final()]);
  if (whole === block) return cbc;
  const tail = plain.length - (whole - block);
  return Buffer.concat([cbc.subarray(0, whole - 2 * block), cbc.subarray(whole - block), cbc.subarray(whole - 2 * block, whole - 2 * block + tail)]);
}

function ctsDecrypt(key: Buffer, cipherText: Buffer): Buffer {
  const whole = Math.ceil(cipherText.length / block) * block;
  const decipherBlocks = (blocks: Buffer): Buffer => {
    const decipher = createDecipheriv('aes-256-cbc', key, zeroBlock).setAutoPadding(false);
    return Buffer.concat([decipher.update(blocks), decipher.final()]);
  };
  if (whole === block) return decipherBlocks(cipherText);
  const tail = cipherText.length - (whole - block);
  const lastFull = cipherText.subarray(whole - 2 * block, whole - block);
  const stolen = cipherText.subarray(whole - block);
  // The swapped block hides the end of the stolen one: decrypt it alone to complete the other.
  const ecb = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const mixed = Buffer.concat([ecb.update(lastFull), ecb.final()]);
  const complete = Buffer.concat([stolen, mixed.subarray(tail)]);
  const blocks = Buffer.concat([cipherText.subarray(0, whole - 2 * block), complete, lastFull]);
  return decipherBlocks(blocks).subarray(0, cipherText.length);
}
