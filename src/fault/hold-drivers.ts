import { nowUs, sleep } from '../util/clock.js';
import { allHosts, gatewayOf, hostsOf, loadedNamespaces, type Confirmation, type FaultContext, type FaultDriver } from './driver.js';
import { ioResumed, ioStopped, processRuns, waitFor } from './observing.js';

/** Writes to hold per namespace unless the step says otherwise: enough to matter, few enough to leave the load its queue. */
const perNamespaceDefault = 2;
/** A transfer under way looks like a held one, but not for this long, milliseconds. */
const heldForMs = 300;

/**
 * Each host that loads the namespaces has sent the command and got the R2T, and withholds the data. When the
 * command times out, the host gives the path up and goes on elsewhere, while the old association stays as it is, as if
 * the network still had what was on its way. The heal sends the data on it. `params`: `group` (the ANA group whose
 * namespaces are meant; default: the target's own), `perNamespace`, `unserved` (see HostNode.releaseWrites).
 */
export function holdDataDriver(context: FaultContext): FaultDriver {
  const gateway = gatewayOf(context);
  const { group, perNamespace = perNamespaceDefault, unserved = false } = context.params;
  const nsids = group === undefined ? loadedNamespaces(context) : context.plan.topology.namespaces.filter((n) => n.anaGroup === group && !n.idle).map((n) => n.nsid);
  const owners = hostsOf(context, nsids);
  let held = 0;
  let released: { sent: number; dropped: number } | undefined;
  const waiting = (): number => context.view.gatewayState(gateway.name)?.awaitingData ?? 0;
  return {
    inject: async () => {
      const writes = (await Promise.all(owners.map(({ host, nsids: own }) => {
        if (host.holdWrites === undefined) throw new Error(`${host.name} cannot hold writes`);
        return host.holdWrites(gateway.name, own, Number(perNamespace));
      }))).flat();
      held = writes.length;
      return `withholding the data of ${held} write(s): ${writes.map((w) => `namespace ${w.nsid} LBA ${w.slba}–${w.slba + w.nlb - 1}`).join(', ')}`;
    },
    confirm: async () => {
      const sinceUs = nowUs();
      if (held === 0) return nothingThrough(context, Number(group ?? 0));
      const enough = (): boolean => held > 0 && waiting() >= held;
      while (nowUs() - sinceUs < context.confirmTimeoutMs * 1_000 && !context.signal.aborted) {
        if (!(await waitFor(context, enough))) return null;
        await sleep(heldForMs, context.signal);
        if (enough()) return { observer: gateway.name, evidence: `${gateway.name} still waits for the data of ${waiting()} write(s) after ${heldForMs} ms` };
      }
      return null;
    },
    heal: async () => {
      if (released === undefined) {
        const sums = await Promise.all(owners.map(async ({ host }) => (await host.releaseWrites?.({ unserved: unserved === true })) ?? { sent: 0, dropped: 0 }));
        released = { sent: sums.reduce((sum, { sent }) => sum + sent, 0), dropped: sums.reduce((sum, { dropped }) => sum + dropped, 0) };
      }
      return `sent the data of ${released.sent} held write(s), ${released.dropped} had no connection any more${unserved === true ? ' or were sent again to the gateway that still serves them' : ''}`;
    },
    confirmHealed: async () => {
      if (await waitFor(context, () => waiting() < Math.max(1, held))) {
        return { observer: gateway.name, evidence: `${gateway.name} waits for the data of ${waiting()} write(s)` };
      }
      return gateway.pid === undefined ? { observer: 'kernel', evidence: `${gateway.name} is gone, and what it waited for with it` } : null;
    },
  };
}

/**
 * The store has the writes of a gateway and does not execute them, as a slow OSD would; reads go on. The heal
 * lets it execute them, in order, whatever has become of the gateway meanwhile.
 */
export function holdStoreDriver(context: FaultContext): FaultDriver {
  const { store } = context.lab;
  const gateway = gatewayOf(context);
  let sinceUs = 0;
  let fencedBefore = 0;
  return {
    inject: async () => {
      if (store.holdWrites === undefined) throw new Error('this store cannot hold writes');
      await store.holdWrites(gateway.name);
      sinceUs = nowUs();
      return `the store executes no write of ${gateway.name} any more`;
    },
    confirm: async () => nothingThrough(context, 0) ?? ioStopped(context, sinceUs),
    heal: async () => {
      fencedBefore = context.view.droppedWrites;
      const released = await store.releaseWrites?.(gateway.name);
      sinceUs = nowUs();
      return `the store goes on with ${released ?? 0} held write(s) of ${gateway.name}`;
    },
    confirmHealed: async () => {
      if (context.onlyGone || !context.alone()) return storeHoldsNothing(context);
      const io = await ioResumed(context, sinceUs);
      if (io === null) return context.signal.aborted ? null : processRuns(context);
      return { ...io, evidence: `${io.evidence}; the store refused ${context.view.droppedWrites - fencedBefore} write(s) of fenced clients since` };
    },
  };
}

/**
 * A hold of a gateway that carries none of the group's I/O holds nothing, and the hosts show why. `group` 0: the
 * target's own. Null: some host does send I/O through it.
 */
function nothingThrough(context: FaultContext, group: number): Confirmation {
  const own = context.plan.topology.gateways.find((g) => g.name === context.target)?.anaGroup ?? 0;
  const meant = group === 0 ? own : group;
  const hosts = [...context.lab.hosts.keys()];
  if (hosts.some((host) => context.view.optimizedFor(host, meant).includes(context.target))) return null;
  return { observer: allHosts(context), evidence: `nothing to hold: ${hosts.length > 1 ? 'no host has an' : 'the host has no'} optimized path at ${context.target} for ANA group ${meant}` };
}

async function storeHoldsNothing({ lab, target }: FaultContext): Promise<Confirmation> {
  const { injection } = await lab.store.state();
  // Those of another gateway are another fault's.
  return (injection?.held[target] ?? 0) === 0 ? { observer: 'store', evidence: `the store holds no write of ${target} any more` } : null;
}
