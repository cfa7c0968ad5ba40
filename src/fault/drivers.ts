import type { LiveView } from '../observe/live-view.js';
import type { GatewayNode, Lab } from '../lab/types.js';
import type { Plan } from '../plan/types.js';
import { nowUs } from '../util/clock.js';
import type { FaultName } from './specs.js';

/** Who saw it, and what was seen. `null`: it could not be seen in time. */
export type Confirmation = { observer: string; evidence: string } | null;

export interface FaultContext {
  lab: Lab;
  view: LiveView;
  plan: Plan;
  /** Name of the gateway it is aimed at. */
  target: string;
  signal: AbortSignal;
  /** The fault's heal begins or a confirmation is waited for no longer than this, milliseconds. */
  confirmTimeoutMs: number;
}

/**
 * How a fault is done to a lab. `confirm` and `confirmHealed` never ask the thing that injected: they look
 * through the host, the monitor or the operating system. `heal` must be callable at any time after
 * `inject` began, also when that failed half-way, and more than once.
 */
export interface FaultDriver {
  inject(): Promise<string>;
  confirm(): Promise<Confirmation>;
  heal(): Promise<string>;
  confirmHealed(): Promise<Confirmation>;
}

export const faultDrivers: Record<FaultName, (context: FaultContext) => FaultDriver> = {
  'gateway.kill': (context) => {
    const gateway = gatewayOf(context);
    let pid: number | undefined;
    return {
      inject: async () => {
        pid = gateway.pid;
        await gateway.kill();
        return `SIGKILL to ${gateway.name} (pid ${pid})`;
      },
      confirm: async () => {
        if (pid === undefined || await gateway.alive(pid)) return null;
        return hostLost(context, `the kernel has no process ${pid} any more, and `);
      },
      heal: () => startAgain(gateway),
      confirmHealed: () => hostReconnected(context),
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
      confirmHealed: () => hostReconnected(context),
    };
  },
  'gateway.remove': (context) => {
    const gateway = gatewayOf(context);
    const id = { id: gateway.name, pool: context.plan.topology.pool, group: context.plan.topology.group };
    return {
      inject: async () => {
        await monitorCommand(context, { prefix: 'nvme-gw delete', ...id });
        await gateway.stop();
        return `nvme-gw delete ${gateway.name}, then its daemon was stopped`;
      },
      confirm: async () => {
        const seen = await waitFor(context, () => {
          const view = context.view.monitor.find((g) => g.id === gateway.name);
          return view === undefined || view.availability === 'DELETING';
        });
        return seen ? hostLost(context, 'the monitor’s map has it DELETING or no longer, and ') : null;
      },
      heal: async () => {
        await monitorCommand(context, { prefix: 'nvme-gw create', ...id });
        return `nvme-gw create ${gateway.name}; ${await startAgain(gateway)}`;
      },
      confirmHealed: () => hostReconnected(context),
    };
  },

  'gateway.listeners': (context) => {
    const gateway = gatewayOf(context);
    return {
      inject: async () => {
        const before = await gateway.listeners();
        await gateway.removeListeners();
        return `removed ${before.length} listener(s): ${before.join(', ')}`;
      },
      confirm: async () => {
        const seen = await waitFor(context, () => context.view.monitor.find((g) => g.id === gateway.name)?.listeners === 0);
        return seen ? hostLost(context, 'the monitor counts 0 listeners, and ') : null;
      },
      heal: async () => {
        await gateway.addListeners();
        return `listeners added again: ${(await gateway.listeners()).join(', ')}`;
      },
      confirmHealed: () => hostReconnected(context),
    };
  },

  'partition.store': (context) => partition(context, ['store'], () => ioStopped(context), () => ioResumed(context)),
  'partition.monitor': (context) => partition(context, ['monitor'], () => monitorLost(context), () => hostReconnected(context)),
  'partition.store-and-monitor': (context) => partition(context, ['store', 'monitor'], async () => {
    const [io, monitor] = await Promise.all([ioStopped(context), monitorLost(context)]);
    return io === null || monitor === null ? null : { observer: `${io.observer}, ${monitor.observer}`, evidence: `${io.evidence}; ${monitor.evidence}` };
  }, () => hostReconnected(context)),
};

function partition(context: FaultContext, ends: ('store' | 'monitor')[], confirm: () => Promise<Confirmation>, confirmHealed: () => Promise<Confirmation>): FaultDriver {
  const gateway = gatewayOf(context);
  const links = ends.map((end) => `${gateway.name}-${end}`);
  let cutAtUs = 0;
  let healedAtUs = 0;
  return {
    inject: async () => {
      await Promise.all(links.map((link) => context.lab.links.cut(link, 'drop', 'both')));
      cutAtUs = nowUs();
      started.set(context, cutAtUs);
      return `dropping everything on ${links.join(' and ')}`;
    },
    confirm,
    heal: async () => {
      await Promise.all(links.map((link) => context.lab.links.heal(link)));
      healedAtUs = nowUs();
      started.set(context, healedAtUs);
      // What was failed over meanwhile finds that out now and ends itself; its service manager restarts it.
      context.view.waitFor(() => gateway.pid === undefined, 2 * context.plan.shape.timers.disconnectPanicMs, context.signal)
        .then((ended) => (ended ? startAgain(gateway) : undefined))
        .catch(() => undefined);
      return `${links.join(' and ')} carry traffic again`;
    },
    confirmHealed,
  };
}

/** When the current half (inject, heal) of a partition began; the confirmations look only at what came later. */
const started = new WeakMap<FaultContext, number>();

function gatewayOf(context: FaultContext): GatewayNode {
  const gateway = context.lab.gateways.get(context.target);
  if (gateway === undefined) throw new Error(`the lab has no gateway ${context.target}`);
  return gateway;
}

async function startAgain(gateway: GatewayNode): Promise<string> {
  await gateway.start();
  return `${gateway.name} started again (pid ${gateway.pid})`;
}

async function monitorCommand(context: FaultContext, command: Record<string, string>): Promise<void> {
  const reply = await context.lab.monitor.command(command);
  if (reply.code !== 0) throw new Error(`${command['prefix']}: ${reply.status} (code ${reply.code})`);
}

function waitFor(context: FaultContext, condition: () => boolean): Promise<boolean> {
  return context.view.waitFor(condition, context.confirmTimeoutMs, context.signal);
}

async function hostLost(context: FaultContext, also: string): Promise<Confirmation> {
  const lost = await waitFor(context, () => {
    const states = context.view.controllersOf(context.target);
    return states.length > 0 && states.every((state) => state !== 'live');
  });
  return lost ? { observer: context.lab.host.name, evidence: `${also}the host’s controllers of ${context.target} are ${context.view.controllersOf(context.target).join(', ')}` } : null;
}

async function hostReconnected(context: FaultContext): Promise<Confirmation> {
  const back = await waitFor(context, () => {
    const states = context.view.controllersOf(context.target);
    return states.length > 0 && states.every((state) => state === 'live')
      && context.view.monitor.find((g) => g.id === context.target)?.availability === 'AVAILABLE';
  });
  return back ? { observer: `${context.lab.host.name}, monitor`, evidence: `the host’s controllers of ${context.target} are live and the monitor says AVAILABLE` } : null;
}

async function monitorLost(context: FaultContext): Promise<Confirmation> {
  const lost = await waitFor(context, () => context.view.monitor.find((g) => g.id === context.target)?.availability === 'UNAVAILABLE');
  return lost ? { observer: 'monitor', evidence: `the monitor declared ${context.target} UNAVAILABLE` } : null;
}

/** Namespaces with load whose ANA group belongs to the target. */
function loadedNamespaces(context: FaultContext): number[] {
  const groups = context.plan.topology.gateways.filter((g) => g.name === context.target).map((g) => g.anaGroup);
  return context.plan.topology.namespaces.filter((n) => groups.includes(n.anaGroup) && !n.idle).map((n) => n.nsid);
}

async function ioStopped(context: FaultContext): Promise<Confirmation> {
  const sinceUs = started.get(context) ?? 0;
  const namespaces = loadedNamespaces(context);
  const stopped = namespaces.length > 0 && await waitFor(context, () => namespaces.every((nsid) => {
    const io = context.view.ioSince(nsid, sinceUs);
    return io !== undefined && io.reads + io.writes === 0 && io.inflight > 0;
  }));
  return stopped ? { observer: context.lab.host.name, evidence: `a whole window without a completion while commands were outstanding on namespace(s) ${namespaces.join(', ')}` } : null;
}

async function ioResumed(context: FaultContext): Promise<Confirmation> {
  const sinceUs = started.get(context) ?? 0;
  const namespaces = loadedNamespaces(context);
  const resumed = await waitFor(context, () => namespaces.every((nsid) => {
    const io = context.view.ioSince(nsid, sinceUs);
    return io !== undefined && io.writes > 0;
  }));
  return resumed ? { observer: context.lab.host.name, evidence: `writes complete again on namespace(s) ${namespaces.join(', ')}` } : null;
}
