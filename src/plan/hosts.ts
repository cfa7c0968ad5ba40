import type { Topology, TopologyNamespace } from './types.js';

/** The host that alone loads, probes and re-reads the namespace. A plan that was stored before labs had several hosts does not say it: it has one. */
export function hostOf(topology: Topology, namespace: TopologyNamespace): string {
  return namespace.host ?? topology.hosts[0]?.name ?? '';
}

/** The namespaces whose I/O belongs to the host, in the order of their NSIDs. */
export function namespacesOf(topology: Topology, host: string): TopologyNamespace[] {
  return topology.namespaces.filter((namespace) => hostOf(topology, namespace) === host);
}
