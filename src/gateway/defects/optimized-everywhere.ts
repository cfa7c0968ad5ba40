import type { GatewayControl } from '../control.js';

/**
 * The defect `optimized-everywhere`: what SPDK issue 3154 was for a new listener, and for good. All groups
 * become optimized with the first change of any, and none is ever given up.
 */
export function optimizedEverywhere(control: GatewayControl, groups: readonly number[]): GatewayControl {
  return new Proxy(control, {
    get: (target, property) => {
      if (property === 'setAnaState') {
        return async (nqn: string | null) => {
          for (const group of groups) await target.setAnaState(nqn, group, 'optimized');
        };
      }
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
