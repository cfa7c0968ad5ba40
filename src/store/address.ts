import { badRequest } from './errors.js';

/** Nonces are 1 … 2^32 - 1; 0 means "any" in RADOS addresses and is refused. */
export const nonceMax = 0xffff_ffff;

/**
 * The address by which the store knows (and blocklists) a client. RADOS clients do not listen, so
 * theirs is `ip:0/nonce`, with a nonce that is new for each client instance.
 */
export function clientAddress(nonce: number): string {
  if (!Number.isInteger(nonce) || nonce < 1 || nonce > nonceMax) {
    throw badRequest(`nonce must be an integer from 1 to ${nonceMax}, got ${nonce}`);
  }
  return `127.0.0.1:0/${nonce}`;
}

const addressPattern = /^(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]{2,39}\]):(0|[1-9]\d{0,4})\/(0|[1-9]\d{0,9})$/;

/** Is `text` an entity address in the one spelling that is compared, `ip:port/nonce`? */
export function isAddress(text: string): boolean {
  const match = addressPattern.exec(text);
  return match !== null && Number(match[2]) <= 65_535 && Number(match[3]) <= nonceMax;
}
