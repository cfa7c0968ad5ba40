import { z } from 'zod';
import { nonceMax } from './address.js';
import { badRequest, StoreError } from './errors.js';
import { storeDefects } from './injection.js';
import { StoreLimit } from './limits.js';
import { protocolVersion, u48Max } from './wire.js';

/** The JSON of control messages, outside the data path. */

const handle = z.int().min(0).max(0xffff);
const imageName = z.string().min(1).max(128);
const address = z.string().max(64);
const addresses = z.array(address).max(4096);
const clientSelector = z.string().min(1).max(128);

export const helloSchema = z.strictObject({
  version: z.literal(protocolVersion),
  /** Who this is, for people: `gw1`, `monitor`. */
  name: z.string().min(1).max(128),
  nonce: z.int().min(1).max(nonceMax),
  /** Random per client object: request ids belong to it. */
  instance: z.string().min(1).max(64),
  /** 1 for the first connection of the instance, then growing. */
  connectSeq: z.int().min(1).max(u48Max),
  /** Images that the instance has open, to be open again. */
  images: z.array(z.strictObject({ handle, image: imageName })).max(StoreLimit.handlesPerSessionMax),
});
export type Hello = z.infer<typeof helloSchema>;
/** `resumed` false: the store does not know this instance, e.g. because it was restarted since. */
export interface HelloReply { address: string; resumed: boolean }

export const openSchema = z.strictObject({ handle, image: imageName });
export interface OpenReply { blockSize: number; blocks: number }

export const adminSchema = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('createImage'), name: z.unknown(), bytes: z.unknown(), blockSize: z.unknown() }),
  z.strictObject({ method: z.literal('listImages') }),
  z.strictObject({ method: z.literal('blocklistAdd'), addresses }),
  z.strictObject({ method: z.literal('blocklistRm'), addresses }),
  z.strictObject({ method: z.literal('blocklistLs') }),
  z.strictObject({ method: z.literal('epoch') }),
  z.strictObject({ method: z.literal('waitForEpoch'), epoch: z.int().min(0).max(0xffff_ffff) }),
  z.strictObject({ method: z.literal('state') }),
  z.strictObject({ method: z.literal('setLatency'), latencyMs: z.number() }),
  z.strictObject({ method: z.literal('hold'), client: clientSelector }),
  z.strictObject({ method: z.literal('release'), client: clientSelector.optional() }),
  z.strictObject({ method: z.literal('setDefect'), defect: z.enum(storeDefects), on: z.boolean() }),
]);
export type AdminRequest = z.infer<typeof adminSchema>;

/** Parses a JSON payload against its schema; STORE_BAD_REQUEST says which field is wrong. */
export function parseControl<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  if (bytes.length > StoreLimit.controlBytesMax) {
    throw new StoreError('STORE_LIMIT', 'io', `control message of ${bytes.length} bytes exceeds ${StoreLimit.controlBytesMax}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw badRequest('the message is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw badRequest(z.prettifyError(parsed.error));
  return parsed.data;
}
