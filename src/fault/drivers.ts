import { nowUs } from '../util/clock.js';
import { cephadmFaultDrivers } from './cephadm-drivers.js';
import { gatewayOf, startAgain, whenRunning, type Confirmation, type FaultContext, type FaultDriver } from './driver.js';
import { holdDataDriver, holdStoreDriver } from './hold-drivers.js';
import { hostConnected, hostLost, monitorHeard, monitorLost, processRuns, recovered, storeBack, storeLost, whenReaching } from './observing.js';
import { pauseDriver, rebootDriver } from './process-drivers.js';
import type { FaultName } from './specs.js';

export type { Confirmation, FaultContext, FaultDriver } from './driver.js';

/** How each fault of the catalog (specs.ts) is done. */
export const faultDrivers: Record<FaultName, (context: FaultContext) => FaultDriver> = {
  ...cephadmFaultDrivers,
  'gateway.kill': (context) => {
    const gateway = gatewayOf(context);
    let pid: number | undefined;
    let healUs = Infinity;
    return {
      inject: async () => {
        await whenRunning(context);
        pid = gateway.pid;
        await gateway.kill();
        return `SIGKILL to ${gateway.name} (pid ${pid})`;
      },
      confirm: async () => {
        if (pid === undefined || await gateway.alive(pid)) return null;
        return hostLost(context, `the kernel has no process ${pid} any more, and `);
      },
      heal: () => {
        healUs = nowUs();
        return startAgain(gateway);
      },
      confirmHealed: () => recovered(context, () => processRuns(context, healUs)),
    };
  },

  'gateway.power-off': (context) => {
    const gateway = gatewayOf(context);
    return {
      inject: async () => {
        await gateway.powerOff!();
        return `${gateway.name}’s machine switched off`;
      },
      confirm: async () => {
        if (gateway.powered!()) return null;
        return hostLost(context, 'its machine does not run any more, and ');
      },
      heal: () => startAgain(gateway),
      confirmHealed: () => recovered(context, () => processRuns(context)),
    };
  },

  'gateway.remove': (context) => {
    const gateway = gatewayOf(context);
    const id = { id: gateway.name, pool: context.plan.topology.pool, group: context.plan.topology.group };
    let pid: number | undefined;
    return {
      inject: async () => {
        await whenRunning(context);
        pid = gateway.pid;
        await monitorCommand(context, { prefix: 'nvme-gw delete', ...id });
        await gateway.stop();
        return `nvme-gw delete ${gateway.name}, then its daemon was stopped`;
      },
      confirm: async () => {
        if (pid === undefined || await gateway.alive(pid)) return null;
        // What the monitor's map says about it now is an answer to be judged, not a sign of the fault.
        const map = context.view.monitor.find((g) => g.id === gateway.name)?.availability ?? 'nothing any more';
        return hostLost(context, `the kernel has no process ${pid} any more, the monitor’s map says ${map}, and `);
      },
      heal: async () => {
        await monitorCommand(context, { prefix: 'nvme-gw create', ...id });
        return `nvme-gw create ${gateway.name}; ${await startAgain(gateway)}`;
      },
      confirmHealed: () => recovered(context, () => processRuns(context)),
    };
  },

  'gateway.listeners': (context) => {
    const gateway = gatewayOf(context);
    return {
      inject: async () => {
        await whenRunning(context);
        const before = await gateway.listeners();
        await gateway.removeListeners();
        return `removed ${before.length} listener(s): ${before.join(', ')}`;
      },
      confirm: () => hostLost(context, ''),
      heal: async () => {
        // One that ended itself meanwhile comes back with its listeners.
        if (gateway.pid === undefined) return startAgain(gateway);
        await gateway.addListeners();
        return `listeners added again: ${(await gateway.listeners()).join(', ')}`;
      },
      confirmHealed: () => recovered(context, () => processRuns(context)),
    };
  },

  'gateway.pause': pauseDriver,
  'gateway.reboot': rebootDriver,
  'host.hold-write': holdDataDriver,
  'store.hold-write': holdStoreDriver,

  'partition.store': (context) => partition(context, ['store'], (sinceUs) => storeLost(context, sinceUs), (sinceUs) => storeBack(context, sinceUs)),
  'partition.monitor': (context) => partition(context, ['monitor'], (sinceUs) => monitorLost(context, sinceUs), () => recovered(context, () => monitorHeard(context))),
  'partition.store-and-monitor': (context) => partition(context, ['store', 'monitor'], async (sinceUs) => {
    const [io, monitor] = await Promise.all([storeLost(context, sinceUs), monitorLost(context, sinceUs)]);
    return io === null || monitor === null ? null : { observer: `${io.observer}, ${monitor.observer}`, evidence: `${io.evidence}; ${monitor.evidence}` };
  }, () => recovered(context, () => monitorHeard(context))),
  'partition.host': (context) => partition(context, ['host'], () => hostLost(context, ''), () => recovered(context, () => Promise.resolve(hostConnected(context)))),
};

type PartitionEnd = 'store' | 'monitor' | 'host';

/** Links are named host1-gw1, gw1-store, gw1-monitor. */
function linksOf(context: FaultContext, end: PartitionEnd): string[] {
  if (end === 'host') return context.plan.topology.hosts.map((host) => `${host.name}-${context.target}`);
  return [`${context.target}-${end}`];
}

function partition(
  context: FaultContext, ends: PartitionEnd[],
  confirm: (sinceUs: number) => Promise<Confirmation>, confirmHealed: (sinceUs: number) => Promise<Confirmation>,
): FaultDriver {
  const links = ends.flatMap((end) => linksOf(context, end));
  /** When the present half (inject, heal) began: the observers look only at what came later. */
  let sinceUs = 0;
  return {
    inject: async () => {
      gatewayOf(context);
      // One that is just being started shows nobody whether it is cut off from the store.
      if (ends.includes('store') && context.alone()) await whenReaching(context);
      await Promise.all(links.map((link) => context.lab.links.cut(link, 'drop', 'both')));
      sinceUs = nowUs();
      return `dropping everything on ${links.join(' and ')}`;
    },
    confirm: () => confirm(sinceUs),
    heal: async () => {
      await Promise.all(links.map((link) => context.lab.links.heal(link)));
      sinceUs = nowUs();
      return `${links.join(' and ')} carry traffic again`;
    },
    confirmHealed: () => confirmHealed(sinceUs),
  };
}

async function monitorCommand(context: FaultContext, command: Record<string, string>): Promise<void> {
  const reply = await context.lab.monitor.command(command);
  if (reply.code !== 0) throw new Error(`${command['prefix']}: ${reply.status} (code ${reply.code})`);
}
