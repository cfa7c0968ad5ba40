import { override } from '../../util/override.js';
import type { MakeDefect } from './kit.js';

/**
 * `optimized-everywhere`: what SPDK issue 3154 was for a new listener, and for good. All groups become
 * optimized with the first change of any, and none is ever given up.
 */
export const optimizedEverywhere: MakeDefect = ({ groups }) => ({
  control: (control) => override(control, {
    setAnaState: async (nqn) => {
      for (const group of groups) await control.setAnaState(nqn, group, 'optimized');
    },
  }),
});
