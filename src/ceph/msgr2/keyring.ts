import { Decoder } from './encoding.js';
import type { Encoder } from './encoding.js';
import { CephError } from './errors.js';

/** CEPH_CRYPTO_* (ceph/src/include/ceph_fs.h). `aes256k` is what a cluster made by 20.2.4 allows; older ones have `aes`. */
export const KeyType = { aes: 1, aes256k: 2 } as const;

const secretBytes: Record<number, number | undefined> = { [KeyType.aes]: 16, [KeyType.aes256k]: 32 };

/** A CryptoKey: a principal's secret, or a session key from a ticket. */
export interface CephKey {
  type: number;
  /** utime. */
  created: { seconds: number; nanoseconds: number };
  secret: Buffer;
}

/**
 * Reads the `key = …` value of a keyring. Throws AUTH_KEY_FORMAT; the message never has the key in it.
 */
export function parseKey(base64: string): CephKey {
  const text = base64.trim();
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new CephError('AUTH_KEY_FORMAT', 'a key is base64');
  try {
    const d = new Decoder(Buffer.from(text, 'base64'));
    const key = decodeKey(d);
    d.end('the key');
    return key;
  } catch (error) {
    if (error instanceof CephError && error.code !== 'AUTH_KEY_FORMAT') throw new CephError('AUTH_KEY_FORMAT', 'not a Ceph key', error);
    throw error;
  }
}

/** u16 type, utime created, u16 length, secret. Throws AUTH_KEY_FORMAT for a type or length that this client does not have. */
export function decodeKey(d: Decoder): CephKey {
  const type = d.u16();
  const created = { seconds: d.u32(), nanoseconds: d.u32() };
  const secret = Buffer.from(d.raw(d.u16()));
  if (secretBytes[type] === undefined) throw new CephError('AUTH_KEY_FORMAT', `key type ${type}, known are 1 (aes) and 2 (aes256k)`);
  if (secret.length !== secretBytes[type]) throw new CephError('AUTH_KEY_FORMAT', `a secret of ${secret.length} bytes in a key of type ${type}`);
  return { type, created, secret };
}

export function encodeKey(e: Encoder, key: CephKey): void {
  e.u16(key.type).u32(key.created.seconds).u32(key.created.nanoseconds).u16(key.secret.length).raw(key.secret);
}
