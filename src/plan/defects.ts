/**
 * Defects that the loopback lab's parts can be made to have, so that the harness can show what it detects.
 * Off unless a run names them; they are in the plan, in the run's first line and in the report's head.
 * The part in front of the dot is the process that has it.
 */
export const defects = {
  'store.ignore-blocklist': 'the blocklist is kept and its epoch grows, but nobody is refused',
  'store.fence-on-arrival-only': 'an operation that arrived before the blocklisting still lands after it',
  'store.ack-before-write': 'a write is acknowledged at once and applied 50 ms later',
  'store.lose-writes': 'every 97th write is acknowledged and never applied',
  'gateway.flip-bit': 'every 97th write lands with one bit flipped',
  'gateway.tear-write': 'every 97th write lands with the second half of its last block as it was before',
  'gateway.misdirect-write': 'every 97th write lands one block further on',
  'gateway.swap-namespaces': 'every 97th write lands in another namespace',
  'gateway.stale-cache': 'every 31st read is answered from what this gateway first read or wrote there, however old that is',
  'gateway.optimized-everywhere': 'a gateway that begins to serve has all ANA groups optimized, and never gives one up (spdk issue 3154)',
} as const;
export type DefectName = keyof typeof defects;
export const defectNames = Object.keys(defects) as DefectName[];

/** The plan's defects of one part, without the part's name in front. */
export function defectsOf(plan: { defects: readonly string[] }, part: string): string[] {
  return plan.defects.filter((name) => name.startsWith(`${part}.`)).map((name) => name.slice(part.length + 1));
}
