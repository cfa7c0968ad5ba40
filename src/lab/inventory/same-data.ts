import { namespacesOf } from '../../plan/hosts.js';
import type { Plan } from '../../plan/types.js';
import { infraError } from '../../util/errors.js';
import { hostNamedRoute, type HostConnections } from './hosts.js';
import type { Inventory } from './file.js';
import { imageScript, namespaceSampleScript, parseImage, parseSamples, sampleScript, unlike } from './scratch.js';

const sampleMaxMs = 300_000;

/**
 * Of gateways that are there already: is each namespace the image that the inventory says it is? It was proved of the image that it may be
 * overwritten; the host writes to the namespace. Resolves to what was proved, in words; an infra error names the first that is another.
 */
export async function proveSameData(inventory: Inventory, plan: Plan, connections: Pick<HostConnections, 'run'>): Promise<string> {
  const { admin } = inventory.cluster;
  const ask = async (host: string, command: string): Promise<string> => (await connections.run(host, hostNamedRoute(inventory, host), command, { timeoutMs: sampleMaxMs })).stdout;
  for (const { name: host } of plan.topology.hosts) {
    for (const { image, uuid, nsid } of namespacesOf(plan.topology, host)) {
      const facts = parseImage(await ask(admin, imageScript(inventory, image)));
      if (facts === undefined) throw infraError('INVENTORY_NAMESPACE', `there is no image ${image} any more`);
      // The namespace first: reading it has the gateway write its cache back.
      const namespace = parseSamples(await ask(host, namespaceSampleScript(uuid, facts)));
      const stored = facts.written ? parseSamples(await ask(admin, sampleScript(inventory, facts))) : undefined;
      const problem = namespace.signatures.length > 0 ? `it has signatures (wipefs): ${namespace.signatures.join('; ')}` : unlike(stored, namespace);
      if (problem !== undefined) throw infraError('INVENTORY_NAMESPACE', `namespace ${nsid} (${uuid}) is not image ${image}: ${problem}`, { hint: 'nothing was written; compare the inventory with `ceph nvmeof namespace list`' });
    }
  }
  return `each namespace has its image’s data, as ${plan.topology.hosts.map(({ name }) => name).join(', ')} read${plan.topology.hosts.length === 1 ? 's' : ''} it`;
}
