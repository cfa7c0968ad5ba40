/** Bits of the msgr2 banner (ceph/src/msg/msg_types.h). */
export const Msgr2Feature = { revision1: 1n << 0n, compression: 1n << 1n } as const;

/** Feature bits of the ident frames that change what a monitor sends (ceph/src/include/ceph_features.h; facts: msgr2.md §6). */
export const CephFeature = {
  nvmeofHa: 1n << 44n,
  nvmeofHaMap: 1n << 45n,
  msgAddr2: 1n << 59n,
} as const;

/**
 * Every feature of 20.2.4. A monitor refuses a client whose mask lacks what its osdmap demands
 * (IDENT_MISSING_FEATURES), although this client never looks at CRUSH: so announce all of them.
 */
export const supportedFeatures = 0x3f07_ffff_fffd_ffffn;
export const requiredFeatures = CephFeature.msgAddr2;
