import { hostOf } from '../plan/hosts.js';
import type { GatewayNode, HostNode, Lab } from '../lab/types.js';
import type { LiveView } from '../observe/live-view.js';
import type { Plan } from '../plan/types.js';

/** Who saw it, and what was seen. `null`: it could not be seen in time. */
export type Confirmation = { observer: string; evidence: string } | null;

export interface FaultContext {
  lab: Lab;
  view: LiveView;
  plan: Plan;
  /** Name of the gateway it is aimed at. */
  target: string;
  /** The step's parameters, as the plan has them. */
  params: Readonly<Record<string, number | string | boolean>>;
  signal: AbortSignal;
  /** No other fault of the run acts on the same target now. */
  alone(): boolean;
  /** The heal is confirmed as soon as the fault is gone, whether the system has recovered or not. */
  onlyGone: boolean;
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

export function gatewayOf(context: FaultContext): GatewayNode {
  const gateway = context.lab.gateways.get(context.target);
  if (gateway === undefined) throw new Error(`the lab has no gateway ${context.target}`);
  return gateway;
}

/** The hosts in words, as whoever saw something. */
export function allHosts(context: FaultContext): string {
  return [...context.lab.hosts.keys()].join(', ');
}

/** The hosts that do I/O on these namespaces, each with its own of them, in the order of the plan. */
export function hostsOf(context: FaultContext, nsids: readonly number[]): { host: HostNode; nsids: number[] }[] {
  const { topology } = context.plan;
  const wanted = topology.namespaces.filter(({ nsid }) => nsids.includes(nsid));
  return [...context.lab.hosts.values()].flatMap((host) => {
    const own = wanted.filter((namespace) => hostOf(topology, namespace) === host.name).map(({ nsid }) => nsid);
    return own.length === 0 ? [] : [{ host, nsids: own }];
  });
}

/** Namespaces with load whose ANA group belongs to the target. */
export function loadedNamespaces(context: FaultContext): number[] {
  const groups = context.plan.topology.gateways.filter((g) => g.name === context.target).map((g) => g.anaGroup);
  return context.plan.topology.namespaces.filter((n) => groups.includes(n.anaGroup) && !n.idle).map((n) => n.nsid);
}

export async function startAgain(gateway: GatewayNode): Promise<string> {
  await gateway.start();
  return `${gateway.name} started again (pid ${gateway.pid})`;
}

/** Waits until the gateway's process runs: one that has just ended itself is about to be started again. */
export async function whenRunning(context: FaultContext): Promise<void> {
  const gateway = gatewayOf(context);
  if (!(await context.view.waitFor(() => gateway.pid !== undefined, context.confirmTimeoutMs, context.signal))) throw new Error(`${gateway.name} does not run`);
}
