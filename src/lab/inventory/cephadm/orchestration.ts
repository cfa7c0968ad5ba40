import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { faultSpecs, type FaultName } from '../../../fault/specs.js';
import type { Plan } from '../../../plan/types.js';
import { infraError } from '../../../util/errors.js';
import { CephadmService } from '../../cephadm/cephadm-service.js';
import type { HostNames } from '../../cephadm/names.js';
import type { Changes } from '../changes.js';
import { cephCommand } from '../commands.js';
import { withRole, type Inventory } from '../file.js';
import { hostNamedRoute, type HostConnections } from '../hosts.js';
import { cephadmHostOf, containerNameOf, restoreService, serviceOf } from './commands.js';
import type { CephadmGateway } from './gateway.js';

/** Names of an inventory's gateways, and of their hosts at cephadm. */
export function hostNamesOf(inventory: Inventory): HostNames {
  const gateways = withRole(inventory, 'gateway');
  return {
    hostOf: (gateway) => cephadmHostOf(gateways.find(({ name }) => name === gateway)!),
    gatewayOn: (host) => gateways.find((gateway) => cephadmHostOf(gateway) === host)?.name,
  };
}

const specificationSchema = z.looseObject({ service_type: z.literal('nvmeof'), placement: z.looseObject({}).optional() });

/** The specification with these hosts as its placement, whatever that was. */
export function placedOn(specification: string, hosts: readonly string[]): string {
  const data: unknown = parse(specification);
  // zod gives the fields another order; here its owner should find his own again.
  specificationSchema.parse(data);
  return stringify({ ...(data as object), placement: { hosts: [...hosts] } });
}

export interface OrchestrationOptions {
  inventory: Inventory;
  connections: HostConnections;
  changes: Changes;
  /** Whether the way back has been noted already: one step is enough for all runs of a command. */
  noted: { service: boolean };
  /** As cephadm had exported it before anything was done to it. */
  specification: string;
  /** `nvme-gw show` of the group, with cephadm's ids. */
  show: () => Promise<string>;
  gateway: (name: string) => CephadmGateway;
}

/** Words of `ceph` after which nothing is different. */
const looks = /^(orch ps|orch ls|log last)\b/;
const cephMaxMs = 180_000;

/** cephadm of a cluster that somebody else has made. Before the first order it is noted how the service gets back to what it was. */
export function orchestrate({ inventory, connections, changes, noted, specification, show, gateway }: OrchestrationOptions): CephadmService {
  const { admin } = inventory.cluster;
  const run = async (host: string, command: string, input?: string): Promise<string> => (await connections.run(host, hostNamedRoute(inventory, host), command, { timeoutMs: cephMaxMs, ...(input === undefined ? {} : { input }) })).stdout;
  const hosts = withRole(inventory, 'gateway').map((each) => cephadmHostOf(each));
  return new CephadmService({
    service: serviceOf(inventory), names: hostNamesOf(inventory), show, gateway, containerName: containerNameOf(inventory),
    // With all hosts it is the owner's own, word for word.
    specification: (placed) => (hosts.every((host) => placed.includes(host)) ? specification : placedOn(specification, placed)),
    ceph: (words, input) => {
      if (!noted.service && !looks.test(words)) {
        changes.note(admin, `service ${serviceOf(inventory)} handled by cephadm`, restoreService(inventory, specification));
        noted.service = true;
      }
      return run(admin, cephCommand(inventory, words), input);
    },
    onHost: (name, command) => run(name, command),
  });
}

/** What the gateways have where the specification names nothing (ServiceSpec, NvmeofServiceSpec). */
const usualRebalancePeriodS = 7;
/** No scenario lasts as long. */
const leastRebalancePeriodS = 3_600;

/**
 * Throws where the gateways would move namespaces to other ANA groups because a fault of the plan removes one of them (ceph-nvmeof, control/rebalance.py):
 * which gateway a namespace belongs to, and so what the plan expects, would not be known any more.
 */
export function checkRebalance(specification: string, plan: Plan): void {
  const removing = plan.steps.flatMap((step) => (step.do === 'inject' && faultSpecs[step.fault as FaultName].removes === true ? [step.fault] : []))[0];
  if (removing === undefined) return;
  const { spec } = z.looseObject({ spec: z.looseObject({ rebalance_period_sec: z.number().default(usualRebalancePeriodS) }).prefault({}) }).parse(parse(specification));
  if (spec.rebalance_period_sec >= leastRebalancePeriodS) return;
  throw infraError('GATEWAY_REBALANCE', `${removing}: every ${spec.rebalance_period_sec} s the gateways look whether namespaces should be in other ANA groups, and would move those of a removed gateway`, {
    hint: `set rebalance_period_sec: 86400 in the service’s specification, apply it and redeploy the service (a 0 is lost: cephadm does not keep it)`,
  });
}

/** Throws for what is no specification of such a service. */
export function checkSpecification(inventory: Inventory, text: string): string {
  try {
    specificationSchema.parse(parse(text));
    return text;
  } catch (error) {
    throw infraError('GATEWAY_SERVICE', `cephadm has no service ${serviceOf(inventory)}`, { hint: 'gateways.service names it: `ceph orch ls nvmeof`', details: text.split('\n').slice(0, 5), cause: error });
  }
}
