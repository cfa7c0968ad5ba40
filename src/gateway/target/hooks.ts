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
}
