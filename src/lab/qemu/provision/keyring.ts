import { randomBytes } from 'node:crypto';

/** A cephx entity with its secret and caps, as in a keyring file. */
export interface CephEntity { name: string; secret: string; caps: Record<string, string> }

/** Kinds of secrets: 1 is AES-128, 2 ("aes256k") the only one that a cluster made by Ceph 20.2.4 and later accepts. */
export type SecretType = 1 | 2;
const secretBytes: Record<SecretType, number> = { 1: 16, 2: 32 };

/**
 * A fresh cephx secret: type, time of its making, length and random bytes, in base64 (CryptoKey in Ceph's
 * src/auth/Crypto.h). Made here because ceph-authtool needs a second for each under emulation.
 */
export function newSecret(type: SecretType, nowMs = Date.now()): string {
  const random = randomBytes(secretBytes[type]);
  const head = Buffer.alloc(12);
  head.writeUInt16LE(type, 0);
  head.writeUInt32LE(Math.floor(nowMs / 1_000), 2);
  head.writeUInt32LE((nowMs % 1_000) * 1_000_000, 6);
  head.writeUInt16LE(random.length, 10);
  return Buffer.concat([head, random]).toString('base64');
}

/** The type of a secret that Ceph itself made. Throws a RangeError for one that is neither. */
export function secretType(secret: string): SecretType {
  const type = Buffer.from(secret, 'base64').readUInt16LE(0);
  if (type !== 1 && type !== 2) throw new RangeError(`a cephx secret of unknown type ${type}`);
  return type;
}

export function keyringText(entities: readonly CephEntity[]): string {
  return entities.map(({ name, secret, caps }) => [
    `[${name}]`, `\tkey = ${secret}`, ...Object.entries(caps).map(([daemon, cap]) => `\tcaps ${daemon} = "${cap}"`), '',
  ].join('\n')).join('\n');
}
