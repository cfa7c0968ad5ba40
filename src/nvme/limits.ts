/** Sizes that the specifications fix, in bytes unless the name says otherwise. */
export const Size = {
  sqe: 64,
  cqe: 16,
  commonHeader: 8,
  icPdu: 128,
  digest: 4,
  connectData: 1024,
  identify: 4096,
  dsmRange: 16,
  anaLogHeader: 16,
  anaGroupDescriptor: 32,
  changedNsList: 4096,
  discoveryHeader: 1024,
  discoveryEntry: 1024,
  smartLog: 512,
  errorLogEntry: 64,
} as const;

/** Limits of this codec. What exceeds one is refused with an NvmeCodecError, never allocated. */
export const Limit = {
  /**
   * Payload of one PDU that a PduReader accepts unless it is given another limit. Linux nvmet announces
   * MAXH2CDATA = 4 MiB, the largest that we know of; a C2HData PDU has no announced bound.
   */
  pduDataMaxBytes: 4 * 1024 * 1024,
  /** A TermReq carries at most this much of the offending header (transport specification). */
  termReqHeaderMaxBytes: 128,
  termReqMaxBytes: 152,
  /** HPDA/CPDA are 0..31, in units of 4 bytes, 0-based. */
  alignMaxBytes: 128,
  /** An NQN without its terminating NUL (NVMe base specification, "NVMe Qualified Names"). */
  nqnMaxBytes: 223,
  /** FFFFFFFFh means all namespaces and FFFFFFFEh is the last valid identifier. */
  nsidMax: 0xffff_fffe,
  nsListEntriesMax: 1024,
  dsmRangesMax: 256,
  /** NLB is a 0-based 16-bit field. */
  nlbMax: 65_536,
  lbaFormatsMax: 64,
  /** Records of a discovery log; the count on the wire is a u64. */
  discoveryRecordsMax: 65_536,
} as const;

/** In-capsule data of admin and Fabrics commands that every controller accepts (NVMe/TCP transport specification). */
export const adminInCapsuleMaxBytes = 8192;

/** NSID that means every namespace. */
export const nsidAll = 0xffff_ffff;
