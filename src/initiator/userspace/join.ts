import type { ScannedNamespace } from './namespace-scan.js';

/** What makes a namespace this one: the identifiers that Linux compares (nvme_ns_ids_equal), within one subsystem. */
export interface NamespaceIdentity { nsid: number; uuid: string; nguid: string; eui64: string }

export type JoinDecision<H> = { do: 'create' } | { do: 'join'; head: H } | { do: 'refuse'; reason: string };

export function sameIdentity(a: NamespaceIdentity, b: NamespaceIdentity): boolean {
  return a.nsid === b.nsid && a.uuid === b.uuid && a.nguid === b.nguid && a.eui64 === b.eui64;
}

/** UUID, else NGUID in UUID form, else EUI64: what names the namespace in events. Empty: it has no identifier at all. */
export function displayUuid(ns: NamespaceIdentity): string {
  if (ns.uuid !== '') return ns.uuid;
  if (ns.nguid !== '') return ns.nguid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return ns.eui64 === '' ? '' : `eui.${ns.eui64}`;
}

/** What `decideJoin` looks at in a head. */
export interface JoinTarget { readonly identity: NamespaceIdentity; readonly blockSize: number; readonly shared: boolean }

/**
 * May a path to `ns` join a head? Two paths are paths to one namespace only if everything that identifies
 * it is equal: joining by mistake would mix the data of two volumes. `isAlone`: the head has no path of
 * another controller, so its namespace need not be shared.
 */
export function decideJoin<H extends JoinTarget>(ns: ScannedNamespace, heads: Iterable<H>, isAlone: (head: H) => boolean): JoinDecision<H> {
  if (displayUuid(ns) === '') return { do: 'refuse', reason: 'no UUID, NGUID or EUI64' };
  for (const head of heads) {
    const { identity } = head;
    if (sameIdentity(identity, ns)) {
      if (head.blockSize !== ns.blockSize) return { do: 'refuse', reason: `block size ${ns.blockSize}, not ${head.blockSize}` };
      if (!(head.shared && ns.shared) && !isAlone(head)) return { do: 'refuse', reason: 'NMIC says that the namespace is not shared' };
      return { do: 'join', head };
    }
    if (identity.nsid === ns.nsid) return { do: 'refuse', reason: `NSID ${ns.nsid} is ${displayUuid(identity)} on other paths, ${displayUuid(ns)} on this one` };
    const clash = (['uuid', 'nguid', 'eui64'] as const).find((key) => ns[key] !== '' && ns[key] === identity[key]);
    if (clash !== undefined) return { do: 'refuse', reason: `${clash} ${ns[clash]} is NSID ${identity.nsid} on other paths, ${ns.nsid} on this one` };
  }
  return { do: 'create' };
}
