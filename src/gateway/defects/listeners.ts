import { override } from '../../util/override.js';
import type { SocketAddress } from '../control.js';
import type { MakeDefect } from './kit.js';

/** `listener-optimized` (SPDK issue 3154): a listener that was removed comes back with all ANA groups optimized. */
export const listenerOptimized: MakeDefect = ({ groups }) => {
  const opened = new Set<string>();
  return {
    control: (control) => override(control, {
      addListener: async (nqn, listener) => {
        const bound = await control.addListener(nqn, listener);
        if (opened.has(nqn)) for (const group of groups) await control.setAnaState(nqn, group, 'optimized');
        opened.add(nqn);
        return bound;
      },
    }),
  };
};

/** `stale-listener` (ceph-nvmeof #510): what a removed listener left behind makes adding it again do nothing, without a word. */
export const staleListener: MakeDefect = () => {
  const known = new Map<string, SocketAddress>();
  return {
    control: (control) => override(control, {
      addListener: async (nqn, listener) => {
        const before = known.get(nqn);
        if (before !== undefined) return before;
        const bound = await control.addListener(nqn, listener);
        known.set(nqn, bound);
        return bound;
      },
      removeListener: (nqn, address) => control.removeListener(nqn, address).catch(() => undefined),
    }),
  };
};
