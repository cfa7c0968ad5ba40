import { sleep } from '../../util/clock.js';
import { override } from '../../util/override.js';
import type { GatewayControl } from '../control.js';
import type { MakeDefect } from './kit.js';

type SetAnaState = GatewayControl['setAnaState'];

/** Replaces `setAnaState`; `isOwn` tells whether the group is the one that this process was promoted for first. */
function changing(change: (honest: SetAnaState, isOwn: boolean, ...call: Parameters<SetAnaState>) => Promise<void>): MakeDefect {
  return () => {
    let own: number | undefined;
    return {
      control: (control) => override(control, {
        setAnaState: (nqn, group, state) => {
          if (state === 'optimized') own ??= group;
          return change((...call) => control.setAnaState(...call), group === own, nqn, group, state);
        },
      }),
    };
  };
}

/** Delays promotions of other gateways' groups; one that was overtaken by a newer order is left out. */
function delayed(delayMs: (namespaces: number) => number): MakeDefect {
  return (context) => {
    const orders = new Map<string, number>();
    return changing(async (honest, isOwn, nqn, group, state) => {
      const key = `${nqn} ${group}`;
      const order = (orders.get(key) ?? 0) + 1;
      orders.set(key, order);
      if (state === 'optimized' && !isOwn) await sleep(delayMs(context.namespaces.length));
      if (orders.get(key) === order) await honest(nqn, group, state);
    })(context);
  };
}

/** `slow-promotion`: the taker needs five seconds longer to become optimized. */
export const slowPromotion: MakeDefect = delayed(() => 5_000);

/** `slow-rpcs` (ceph-nvmeof #2016): a takeover costs one call of 25 ms for each namespace. */
export const slowRpcs: MakeDefect = delayed((namespaces) => 25 * namespaces);

/** `ana-not-applied`: a takeover is reported to the monitor, but the data plane is never told. */
export const anaNotApplied: MakeDefect = changing((honest, isOwn, nqn, group, state) => (state === 'optimized' && !isOwn ? Promise.resolve() : honest(nqn, group, state)));

/** `failback-inaccessible` (ceph-nvmeof #542): a gateway that was started again reports that it serves its own group, but never does. */
export const failbackInaccessible: MakeDefect = (context) => (context.incarnation === 0 ? {} : changing((honest, _, nqn, group, state) => (state === 'optimized' ? Promise.resolve() : honest(nqn, group, state)))(context));

/** `crash-on-promotion` (ceph-nvmeof #539): the gateway crashes in set_ana_state when it is to take a group over. */
export const crashOnPromotion: MakeDefect = (context) => changing((honest, isOwn, nqn, group, state) => {
  if (state !== 'optimized' || isOwn) return honest(nqn, group, state);
  context.crash(`set_ana_state group ${group}`);
  return new Promise(() => undefined);
})(context);

/** Half a period of `flap-ana`, milliseconds. */
const flapMs = 600;

/** `flap-ana`: once a gateway has its group, it gives it up for a moment every other moment. */
export const flapAna: MakeDefect = () => {
  const flapping = new Set<string>();
  return {
    control: (control) => override(control, {
      setAnaState: async (nqn, group, state) => {
        const key = `${nqn} ${group}`;
        flapping.delete(key);
        await control.setAnaState(nqn, group, state);
        if (state !== 'optimized') return;
        flapping.add(key);
        let up = true;
        const timer = setInterval(() => {
          if (!flapping.has(key)) return clearInterval(timer);
          up = !up;
          control.setAnaState(nqn, group, up ? 'optimized' : 'inaccessible').catch(() => clearInterval(timer));
        }, flapMs);
        timer.unref();
      },
    }),
  };
};
