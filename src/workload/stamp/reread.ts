import type { EventBody } from '../../history/index.js';
import { sleep } from '../../util/clock.js';
import type { BlockDevice } from '../device.js';
import type { JournaledIo } from '../journaled-io.js';

/** Size of one operation of a sweep (a re-read, a fill) where the device takes as much, and how many are outstanding per namespace. */
export const rereadBytes = 64 * 1024;
export const rereadDepth = 4;
/** Tries for one read, with a wait between them: the head already retries whatever a failover explains. */
export const rereadTriesMax = 3;
const rereadRetryMs = 100;
/** Problems that are told one by one. */
const problemsMax = 20;

export type RereadPass = 'at-once' | 'delayed';
export type RereadEvent = Extract<EventBody, { type: 'reread' }>;

export interface RereadResult {
  /** Blocks that were read and are sound (zeroes included). Whether their versions are right, the checker says. */
  blocks: number;
  /** In words: blocks that could not be read or are not sound. */
  problems: string[];
}

export interface RereadTarget {
  /** Index into the journal header's namespaces. */
  ns: number;
  device: BlockDevice;
  /** Blocks from LBA 0 on. */
  blocks: number;
}

/** Reads every block of the working sets, all namespaces at the same time. Never rejects. */
export async function rereadAll(
  io: JournaledIo,
  targets: readonly RereadTarget[],
  pass: RereadPass,
  options: { controller?: string; onEvent?: (event: RereadEvent) => void; signal?: AbortSignal },
): Promise<RereadResult> {
  const results = await Promise.all(targets.map((target) => rereadOne(io, target, pass, options)));
  const problems = results.flatMap((result) => result.problems);
  const untold = problems.length - problemsMax;
  return {
    blocks: results.reduce((sum, result) => sum + result.blocks, 0),
    problems: untold > 0 ? [...problems.slice(0, problemsMax), `and ${untold} more`] : problems,
  };
}

/** Blocks of one operation of a sweep over a whole working set. */
export function sweepBlocks(device: BlockDevice): number {
  return Math.max(1, Math.floor(Math.min(rereadBytes, device.transferMaxBytes ?? rereadBytes) / device.blockSize));
}

async function rereadOne(
  io: JournaledIo,
  { ns, device, blocks }: RereadTarget,
  pass: RereadPass,
  { controller, onEvent, signal }: { controller?: string; onEvent?: (event: RereadEvent) => void; signal?: AbortSignal },
): Promise<RereadResult> {
  const ioOptions = { ...(controller === undefined ? {} : { controller }), ...(signal === undefined ? {} : { signal }) };
  const nlbMax = sweepBlocks(device);
  const result: RereadResult = { blocks: 0, problems: [] };
  const paths = new Set<string | null>();
  const name = `namespace ${device.nsid}`;
  const event = (state: 'begin' | 'end', count: number, path?: string): void =>
    onEvent?.({ type: 'reread', pass, state, nsUuid: device.uuid, nsid: device.nsid, blocks: count, ...(path === undefined ? {} : { path }) });

  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < blocks) {
      const slba = next;
      const nlb = Math.min(nlbMax, blocks - slba);
      next += nlb;
      for (let tries = 1; ; tries++) {
        const end = await io.read(ns, slba, nlb, `reread-${pass}`, ioOptions);
        if (end.result.outcome === 'ok') {
          paths.add(end.result.path);
          result.blocks += end.soundBlocks;
          for (const bad of end.bad) result.problems.push(`${name} ${bad}`);
          break;
        }
        if (tries === rereadTriesMax || signal?.aborted === true || end.result.code === 'JOURNAL_FAILED' || end.result.code === 'DETACHED') {
          result.problems.push(`${name} LBA ${slba} to ${slba + nlb - 1}: not read (${end.result.outcome}, ${end.result.code}, status ${end.result.status.toString(16)}h)`);
          break;
        }
        await sleep(rereadRetryMs, signal);
      }
    }
  };
  event('begin', blocks, controller);
  await Promise.all(Array.from({ length: rereadDepth }, worker));
  // One path served all of it, or the event names none.
  const [path] = paths.size === 1 ? paths : [null];
  event('end', result.blocks, path ?? controller);
  return result;
}
