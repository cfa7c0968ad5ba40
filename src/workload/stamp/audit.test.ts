import { describe, expect, it } from 'vitest';
import type { JournaledIo } from '../journaled-io.js';
import { MemoryDevice } from '../testing/memory-device.js';
import { auditAll } from './audit.js';
import { sweepBlocks } from './reread.js';

interface Asked { ns: number; slba: number; nlb: number; purpose: string; controller: string | undefined }

/** Journaled I/O of which one controller answers and the others refuse. */
function io(answering: string) {
  const asked: Asked[] = [];
  const read = (ns: number, slba: number, nlb: number, purpose: string, options?: { controller?: string }) => {
    asked.push({ ns, slba, nlb, purpose, controller: options?.controller });
    const outcome = options?.controller === answering ? 'ok' : 'fail';
    return Promise.resolve({ result: { outcome, status: 0, dnr: false, code: '', path: null, sends: 1 }, latencyUs: 1, soundBlocks: 0, bad: [] });
  };
  return { asked, io: { read } as unknown as JournaledIo };
}

describe('auditAll', () => {
  const device = new MemoryDevice({ uuid: 'u1', nsid: 1, blockSize: 4_096, blocks: 64 });

  it('asks each path for each block once, as an audit, and counts the answers', async () => {
    const { asked, io: fake } = io('nvme1');
    const paths = ['nvme0', 'nvme1'].map((controller) => ({ ns: 0, device, blocks: 40, controller }));
    const reads = Math.ceil(40 / sweepBlocks(device));
    expect(await auditAll(fake, paths)).toEqual({ answered: reads, refused: reads });
    for (const controller of ['nvme0', 'nvme1']) {
      const mine = asked.filter((each) => each.controller === controller);
      expect(mine.every(({ purpose }) => purpose === 'audit')).toBe(true);
      expect(mine.flatMap(({ slba, nlb }) => Array.from({ length: nlb }, (_, i) => slba + i)).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    }
  });

  it('stops when it is told to', async () => {
    const { asked, io: fake } = io('nvme1');
    const abort = new AbortController();
    abort.abort();
    expect(await auditAll(fake, [{ ns: 0, device, blocks: 40, controller: 'nvme0' }], abort.signal)).toEqual({ answered: 0, refused: 0 });
    expect(asked).toEqual([]);
  });
});
