import type { AnaLog } from '../../nvme/index.js';
import { nowUs } from '../../util/clock.js';
import type { MakeDefect } from './kit.js';

/** `lose-aen`: hosts are never told that an ANA state has changed. */
export const loseAen: MakeDefect = () => ({ hooks: { raiseEvent: (kind) => kind !== 'ana' } });

/** How old the states are that `stale-ana-log` tells, microseconds. */
const staleUs = 3_000_000;

/** `stale-ana-log`: the log has the states of three seconds ago, and the event that announces a change comes at once. */
export const staleAnaLog: MakeDefect = () => {
  const past: { untilUs: number; log: AnaLog }[] = [];
  let newest: AnaLog | undefined;
  return {
    hooks: {
      anaLog: (log) => {
        const now = nowUs();
        if (newest !== undefined && JSON.stringify(newest) !== JSON.stringify(log)) past.push({ untilUs: now, log: newest });
        newest = log;
        return past.find(({ untilUs }) => untilUs > now - staleUs)?.log ?? log;
      },
    },
  };
};

/** `frozen-chgcnt`: no change count of the log ever changes. */
export const frozenChgcnt: MakeDefect = () => ({
  hooks: { anaLog: ({ groups }) => ({ changeCount: 1, groups: groups.map((group) => ({ ...group, changeCount: 1 })) }) },
});

/** `ana-group-missing` (ceph-nvmeof #506): the log has a descriptor only for the group that was optimized first. */
export const anaGroupMissing: MakeDefect = () => {
  let only: number | undefined;
  return {
    hooks: {
      anaLog: (log) => {
        only ??= log.groups.find(({ state }) => state === 'optimized')?.id;
        return only === undefined ? log : { ...log, groups: log.groups.filter(({ id }) => id === only) };
      },
    },
  };
};

/** The log of two groups and 228 namespaces, bytes: beyond that many SPDK issue 1946 lost the rest. */
export const anaLogBytesMax = 16 + 2 * 32 + 4 * 228;

/** `truncate-ana-log` (SPDK issue 1946): what is longer than for 228 namespaces is cut off. */
export const truncateAnaLog: MakeDefect = () => ({ hooks: { anaLogBytes: (bytes) => bytes.subarray(0, anaLogBytesMax) } });
