import type { BlockBackend } from '../backend.js';

/** Data-path defects, without the `gateway.` in front (plan/defects.ts says what each does). */
export const backendDefects = ['flip-bit', 'tear-write', 'misdirect-write', 'swap-namespaces', 'stale-cache'] as const;
export type BackendDefect = (typeof backendDefects)[number];

/** A prime, so that no access pattern falls into step with it. */
export const badWriteEvery = 97;
export const staleReadEvery = 31;
/** Blocks that the stale cache remembers; more than the working set of any default scenario. */
const cachedBlocksMax = 65_536;

/**
 * Wraps the images of one gateway and breaks every so-many-th operation in the ways that are switched
 * on. Counting is per gateway, not random: the same load breaks at the same operations.
 */
export class FaultyImages {
  readonly #defects: ReadonlySet<BackendDefect>;
  readonly #images: BlockBackend[] = [];
  #writes = 0;
  #reads = 0;

  constructor(defects: ReadonlySet<BackendDefect>) {
    this.#defects = defects;
  }

  wrap(image: BlockBackend): BlockBackend {
    if (this.#defects.size === 0) return image;
    this.#images.push(image);
    const cache = new Map<number, Buffer>();
    const remember = (slba: number, data: Buffer): void => {
      if (!this.#defects.has('stale-cache')) return;
      for (let i = 0; i * image.blockSize < data.length; i++) {
        if (cache.size < cachedBlocksMax || cache.has(slba + i)) cache.set(slba + i, Buffer.from(data.subarray(i * image.blockSize, (i + 1) * image.blockSize)));
      }
    };
    return {
      blockSize: image.blockSize,
      blocks: image.blocks,
      read: async (slba, nlb) => {
        if (this.#defects.has('stale-cache') && ++this.#reads % staleReadEvery === 0) {
          const blocks = Array.from({ length: nlb }, (_, i) => cache.get(slba + i));
          if (blocks.every((block) => block !== undefined)) return Buffer.concat(blocks);
        }
        const data = await image.read(slba, nlb);
        // Only what was not known yet: a cache that learns from every read is never stale.
        if (!cache.has(slba)) remember(slba, data);
        return data;
      },
      write: async (slba, data) => {
        if (!cache.has(slba)) remember(slba, data);
        await this.#write(image, slba, data);
      },
      flush: () => image.flush(),
      writeZeroes: (slba, nlb) => image.writeZeroes(slba, nlb),
      deallocate: (slba, nlb) => image.deallocate(slba, nlb),
    };
  }

  async #write(image: BlockBackend, slba: number, data: Buffer): Promise<void> {
    const has = (defect: BackendDefect): boolean => this.#defects.has(defect);
    const bad = ++this.#writes % badWriteEvery === 0;
    if (bad && has('flip-bit')) {
      const flipped = Buffer.from(data);
      flipped[flipped.length - image.blockSize / 4]! ^= 0x04;
      return image.write(slba, flipped);
    }
    if (bad && has('tear-write')) {
      const last = data.length / image.blockSize - 1;
      const before = await image.read(slba + last, 1);
      const torn = Buffer.from(data);
      before.copy(torn, last * image.blockSize + image.blockSize / 2, image.blockSize / 2);
      return image.write(slba, torn);
    }
    if (bad && has('misdirect-write') && slba + data.length / image.blockSize < image.blocks) return image.write(slba + 1, data);
    if (bad && has('swap-namespaces')) {
      const other = this.#images[(this.#images.indexOf(image) + 1) % this.#images.length]!;
      return other.write(slba, data);
    }
    return image.write(slba, data);
  }
}
