import type { JournaledIo } from '../journaled-io.js';
import { sweepBlocks, type RereadTarget } from './reread.js';

/** Audit reads outstanding per path. */
const auditDepth = 4;

/** A path that the host would not use: its ANA state is inaccessible. */
export interface AuditPath extends RereadTarget { controller: string }

/**
 * Reads the whole working set on paths that have to refuse every read. What one of them answers nevertheless is
 * in the journal like any other read, so that the integrity checker judges its data, too. Never rejects.
 */
export async function auditAll(io: JournaledIo, paths: readonly AuditPath[], signal?: AbortSignal): Promise<{ answered: number; refused: number }> {
  const total = { answered: 0, refused: 0 };
  await Promise.all(paths.map(async ({ ns, device, blocks, controller }) => {
    const nlbMax = sweepBlocks(device);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < blocks && signal?.aborted !== true) {
        const slba = next;
        const nlb = Math.min(nlbMax, blocks - slba);
        next += nlb;
        const end = await io.read(ns, slba, nlb, 'audit', { controller, ...(signal === undefined ? {} : { signal }) });
        if (end.result.outcome === 'ok') total.answered += 1;
        else total.refused += 1;
      }
    };
    await Promise.all(Array.from({ length: auditDepth }, worker));
  }));
  return total;
}
