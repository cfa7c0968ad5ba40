import { randomBytes } from 'node:crypto';

/** A cephx entity with its secret and caps, as in a keyring file. */
export interface CephEntity { name: string; secret: string; caps: Record<string, string> }

/**
 * A fresh cephx secret: type 1 (AES-128), the time of its making, 16 random bytes, in base64 (CryptoKey in Ceph’s
 * src/auth/Crypto.h). Made here because ceph-authtool needs seconds under emulation.
 */
export function newSecret(nowMs = Date.now(), random: Buffer = randomBytes(16)): string {
  const head = Buffer.alloc(12);
  head.writeUInt16LE(1, 0);
  head.writeUInt32LE(Math.floor(nowMs / 1_000), 2);
  head.writeUInt32LE((nowMs % 1_000) * 1_000_000, 6);
  head.writeUInt16LE(random.length, 10);
  return Buffer.concat([head, random]).toString('base64');
}

export function keyringText(entities: readonly CephEntity[]): string {
  return entities.map(({ name, secret, caps }) => [
    `[${name}]`, `\tkey = ${secret}`, ...Object.entries(caps).map(([daemon, cap]) => `\tcaps ${daemon} = "${cap}"`), '',
  ].join('\n')).join('\n');
}
