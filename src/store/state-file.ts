import fs from 'node:fs';
import { z } from 'zod';
import { isAddress } from './address.js';
import { writeFileAtomic } from '../util/atomic-file.js';
import { StoreError } from './errors.js';
import { errorOfIo } from './image-catalog.js';

/** What outlives the store's process besides the images. Epochs start at 1 and only grow. */
export interface DurableState { epoch: number; blocklist: string[] }

const epochMax = 0xffff_ffff;
const schema = z.strictObject({
  format: z.literal(1),
  epoch: z.int().min(1).max(epochMax),
  blocklist: z.array(z.string().refine(isAddress, 'an address ip:port/nonce')),
});

/** The state of a store folder; a new folder starts at epoch 1 with nobody blocklisted. */
export function loadState(file: string): DurableState {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { epoch: 1, blocklist: [] };
    throw errorOfIo(error as NodeJS.ErrnoException);
  }
  try {
    const { epoch, blocklist } = schema.parse(JSON.parse(text));
    return { epoch, blocklist };
  } catch (error) {
    // Starting with an empty blocklist instead would let a fenced client write again.
    throw new StoreError('STORE_STATE_CORRUPT', 'io', `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Atomic; throws StoreError and leaves the old state in place if it cannot be written. */
export function saveState(file: string, state: DurableState): void {
  try {
    writeFileAtomic(file, `${JSON.stringify({ format: 1, ...state })}\n`);
  } catch (error) {
    throw errorOfIo(error as NodeJS.ErrnoException);
  }
}
