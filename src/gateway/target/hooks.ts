import type { AnaLog } from '../../nvme/index.js';
import type { BlockBackend } from '../backend.js';
import type { AnaGroup, AnaTerm } from './ana-groups.js';
import type { EventKind } from './async-event-queue.js';

/** One I/O command on its way through the target. */
export interface IoInfo {
  nqn: string;
  cntlid: number;
  qid: number;
  cid: number;
  nsid: number;
  /** NVM command set opcode. */
  opcode: number;
  slba: number;
  /** 0 for Flush and Dataset Management. */
  nlb: number;
}

/**
 * Places where a lab may hold, delay or break an I/O. A hook that rejects has the effect of a backend
 * that rejects with the same error. A command that a hook holds counts as being at the backend: it was
 * admitted under the ANA state of that time, and `setAnaState` waits for it.
 */
export interface TargetHooks {
  /** Write, Write Zeroes, Dataset Management: admitted, data complete, not yet handed to the backend. */
  beforeWriteToBackend?: (info: IoInfo) => Promise<void>;
  /** The backend has written durably; the host does not know yet. */
  beforeWriteAck?: (info: IoInfo) => Promise<void>;
  /** Read and Compare: admitted, not yet handed to the backend. */
  beforeReadFromBackend?: (info: IoInfo) => Promise<void>;
  /** Replaces `group.admit()` for a command whose data is complete; undefined: it is refused. */
  admit?: (group: AnaGroup) => AnaTerm | undefined;
  /** Answers a read of an inaccessible group; undefined: with its path status, as it should be. */
  readWhileInaccessible?: (backend: BlockBackend, slba: number, nlb: number) => Buffer | undefined;
  /** The ANA log on its way to a host. */
  anaLog?: (log: AnaLog) => AnaLog;
  /** The same, encoded. */
  anaLogBytes?: (bytes: Buffer) => Buffer;
  /** False: hosts are not told of this change. */
  raiseEvent?: (kind: EventKind) => boolean;
}
