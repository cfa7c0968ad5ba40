import type { BlockBackend } from '../backend.js';
import { AnaTerm } from '../target/ana-groups.js';
import type { MakeDefect } from './kit.js';

/** `admit-before-data`: the ANA state is looked at when a command comes, and not again when its data does. */
export const admitBeforeData: MakeDefect = () => ({ hooks: { admit: (group) => group.admit() ?? new AnaTerm() } });

/** How long `write-back-cache` keeps a write from the store: longer than a failback takes, milliseconds. */
const writeBackMs = 1_500;

/**
 * `write-back-cache`: a volatile write cache. Writes are acknowledged at once and go to the store later, reads
 * find them in the cache, so that nothing is wrong until the group moves: then they are lost with the gateway,
 * or land after its successor's.
 */
export const writeBackCache: MakeDefect = () => ({
  image: (image) => {
    const dirty = new Map<number, { block: Buffer; write: number }>();
    let writes = 0;
    const blocksOf = (data: Buffer): Buffer[] => Array.from({ length: data.length / image.blockSize }, (_, i) => data.subarray(i * image.blockSize, (i + 1) * image.blockSize));
    return {
      blockSize: image.blockSize,
      blocks: image.blocks,
      read: async (slba, nlb) => {
        const data = Buffer.from(await image.read(slba, nlb));
        for (let i = 0; i < nlb; i++) dirty.get(slba + i)?.block.copy(data, i * image.blockSize);
        return data;
      },
      write: (slba, data) => {
        const write = ++writes;
        const kept = Buffer.from(data);
        blocksOf(kept).forEach((block, i) => dirty.set(slba + i, { block, write }));
        setTimeout(() => {
          void image.write(slba, kept).catch(() => undefined).then(() => {
            for (let i = 0; i < kept.length / image.blockSize; i++) if (dirty.get(slba + i)?.write === write) dirty.delete(slba + i);
          });
        }, writeBackMs);
        return Promise.resolve();
      },
      flush: () => image.flush(),
      writeZeroes: (slba, nlb) => image.writeZeroes(slba, nlb),
      deallocate: (slba, nlb) => image.deallocate(slba, nlb),
    };
  },
});

/** Blocks that the read cache of an inaccessible path remembers per image. */
const cachedBlocksMax = 65_536;

/**
 * `read-while-inaccessible`: a read of a group that this gateway has given up is answered from what it last
 * wrote or read there, however old that is.
 */
export const readWhileInaccessible: MakeDefect = () => {
  const caches = new WeakMap<BlockBackend, Map<number, Buffer>>();
  return {
    image: (image) => {
      const cache = new Map<number, Buffer>();
      const remember = (slba: number, data: Buffer): void => {
        for (let i = 0; i * image.blockSize < data.length; i++) {
          if (cache.size < cachedBlocksMax || cache.has(slba + i)) cache.set(slba + i, Buffer.from(data.subarray(i * image.blockSize, (i + 1) * image.blockSize)));
        }
      };
      const cached: BlockBackend = {
        blockSize: image.blockSize,
        blocks: image.blocks,
        read: async (slba, nlb) => {
          const data = await image.read(slba, nlb);
          remember(slba, data);
          return data;
        },
        write: async (slba, data) => {
          await image.write(slba, data);
          remember(slba, data);
        },
        flush: () => image.flush(),
        writeZeroes: (slba, nlb) => image.writeZeroes(slba, nlb),
        deallocate: (slba, nlb) => image.deallocate(slba, nlb),
      };
      caches.set(cached, cache);
      return cached;
    },
    hooks: {
      readWhileInaccessible: (backend, slba, nlb) => {
        const blocks = Array.from({ length: nlb }, (_, i) => caches.get(backend)?.get(slba + i));
        return blocks.every((block) => block !== undefined) ? Buffer.concat(blocks) : undefined;
      },
    },
  };
};
