import { randomBytes } from 'node:crypto';

/** A namespace in memory, as all fake targets of one subsystem share it. */
export interface FakeNamespace {
  nsid: number;
  /** 16 bytes. */
  uuid: Buffer;
  nguid: Buffer;
  blockSize: number;
  blocks: number;
  anaGroup: number;
  shared: boolean;
  data: Buffer;
}

export function fakeNamespace(nsid: number, options: Partial<Omit<FakeNamespace, 'nsid' | 'data'>> = {}): FakeNamespace {
  const blockSize = options.blockSize ?? 512;
  const blocks = options.blocks ?? 2_048;
  return {
    nsid, uuid: randomBytes(16), nguid: randomBytes(16), anaGroup: 1, shared: true, ...options, blockSize, blocks, data: Buffer.alloc(blockSize * blocks),
  };
}

/** A namespace with the same data and identity, to be changed for one target only. */
export function variantOf(namespace: FakeNamespace, change: Partial<FakeNamespace>): FakeNamespace {
  return { ...namespace, ...change };
}

export const fakeNqn = 'nqn.2026-01.io.pathproof:fake';
