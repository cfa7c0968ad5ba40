import type { DefectName } from '../plan/defects.js';

/** A checker whose business a defect is, and what its finding has to say. */
export interface Finding { checker: string; says: RegExp }

export interface DefectExpectation {
  /** What kind of harm it is, in the words of the detection table. */
  class: string;
  /** Rows of `fieldBugs` (field-bugs.ts) that it stands for. */
  rows: readonly number[];
  /** Where it can be seen: `suite/scenario`. Each is measured for itself. */
  scenarios: readonly string[];
  /** Any of these counts; a failure of another checker alone does not. */
  finds: readonly Finding[];
  /** Why a run can pass in spite of it, where that is known: what the evidence cannot resolve. */
  limit?: string;
}

const smoke = 'smoke/gateway-dies';
const overwritten: Finding = { checker: 'integrity', says: /late write|lost acknowledged write|stale read/ };
const stalled: Finding = { checker: 'availability', says: /without a completion/ };
const notTaken: Finding = { checker: 'ha-response', says: /no other gateway than \S+ became optimized/ };
const notHome: Finding = { checker: 'convergence', says: /optimized at no gateway|instead of ACTIVE|instead of optimized|says nothing/ };
const twoOwners: Finding = { checker: 'single-optimized', says: /optimized at gw\d.* and gw\d/ };
const apart: Finding = { checker: 'agreement', says: /^(monitor and target|target and host) disagreed about/ };
const noPath: Finding = { checker: 'inventory', says: /has no path through|no live controller|is there 0 times/ };

/**
 * What each defect has to be found by, and where. The scenarios are those of the default suites in which its
 * harm can show at all: a defect of failbacks is not looked for in a scenario without one.
 */
export const defectExpectations: Record<DefectName, DefectExpectation> = {
  'store.ignore-blocklist': { class: 'write of a fenced gateway lands late (held data phase)', rows: [1], scenarios: ['nightly/held-data-phase', 'nightly/frozen-gateway'], finds: [overwritten] },
  'store.fence-on-arrival-only': { class: 'write of a fenced gateway lands late (held in the store)', rows: [2], scenarios: ['nightly/held-store-write'], finds: [overwritten] },
  'store.ack-before-write': { class: 'lost acknowledged write, stale read', rows: [], scenarios: [smoke], finds: [overwritten] },
  'store.lose-writes': { class: 'lost acknowledged write', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /lost acknowledged write/ }] },
  'gateway.flip-bit': { class: 'bit flip', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /torn block/ }] },
  'gateway.tear-write': { class: 'torn block', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /torn block/ }] },
  'gateway.misdirect-write': { class: 'misdirected block', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /misdirected block/ }] },
  'gateway.swap-namespaces': { class: 'wrong namespace', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /block of another namespace/ }] },
  'gateway.stale-cache': { class: 'stale read', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /stale read/ }] },
  'gateway.admit-before-data': { class: 'write of a gateway that gave its group away lands late (held data phase)', rows: [1], scenarios: ['nightly/held-data-failback'], finds: [overwritten] },
  'gateway.write-back-cache': { class: 'write reordered across failover', rows: [], scenarios: [smoke], finds: [overwritten] },
  'gateway.read-while-inaccessible': { class: 'read served from a cache on an inaccessible path', rows: [], scenarios: [smoke], finds: [{ checker: 'integrity', says: /stale read/ }, { checker: 'agreement', says: /answered although its path was inaccessible/ }] },
  'gateway.optimized-everywhere': { class: 'listener optimized for all groups', rows: [4], scenarios: [smoke], finds: [twoOwners] },
  'gateway.listener-optimized': { class: 'listener comes back optimized for all groups', rows: [4], scenarios: ['failover/listeners-removed', 'regressions/listeners-again'], finds: [twoOwners] },
  'gateway.stale-listener': { class: 'stale listener blocks a new one', rows: [13], scenarios: ['failover/listeners-removed'], finds: [notHome, noPath] },
  'gateway.lose-aen': { class: 'AEN lost', rows: [], scenarios: [smoke], finds: [stalled, apart] },
  'gateway.stale-ana-log': { class: 'ANA log with stale states', rows: [], scenarios: [smoke], finds: [stalled, apart] },
  'gateway.frozen-chgcnt': { class: 'chgcnt never changing', rows: [], scenarios: [smoke], finds: [{ checker: 'agreement', says: /its change count stayed/ }] },
  'gateway.ana-group-missing': { class: 'group descriptor missing', rows: [12], scenarios: [smoke], finds: [stalled, apart] },
  'gateway.truncate-ana-log': { class: 'ANA log truncated', rows: [25], scenarios: ['regressions/many-namespaces'], finds: [noPath] },
  'gateway.reuse-cntlid': { class: 'controller id reused', rows: [], scenarios: [smoke], finds: [{ checker: 'inventory', says: /outside its range|same controller id/ }] },
  'gateway.swap-nsids': { class: 'namespace id swapped after failover', rows: [], scenarios: [smoke], finds: [{ checker: 'inventory', says: /has no path through|changed its nsid|instead of/ }] },
  'gateway.lose-namespaces': { class: 'namespaces vanish', rows: [7, 8], scenarios: [smoke, 'regressions/four-gateways'], finds: [noPath] },
  'gateway.idle-namespaces-dead': { class: 'idle namespace dead', rows: [10], scenarios: ['regressions/rolling-redeploy'], finds: [stalled] },
  'agent.late-demotion-50ms': { class: 'two optimized owners for 50 ms', rows: [], scenarios: [smoke], finds: [twoOwners], limit: 'an overlap between targets counts when it is 10 ms longer than the longest event-loop delay of its gateways at that time; on a busy machine that is as long as the defect' },
  'agent.late-demotion-2s': { class: 'two optimized owners for 2 s', rows: [], scenarios: [smoke], finds: [twoOwners] },
  'agent.slow-promotion': { class: 'no optimized owner for too long', rows: [], scenarios: [smoke], finds: [stalled] },
  'agent.slow-rpcs': { class: 'no optimized owner for too long, at scale', rows: [23], scenarios: ['regressions/many-namespaces'], finds: [stalled] },
  'agent.ana-not-applied': { class: 'monitor says ACTIVE while the target says inaccessible', rows: [16], scenarios: [smoke], finds: [stalled, apart, notTaken] },
  'agent.failback-inaccessible': { class: 'failback leaves a group inaccessible', rows: [6], scenarios: [smoke], finds: [notHome, stalled, apart] },
  'agent.crash-on-promotion': { class: 'gateways crash at a takeover', rows: [15], scenarios: [smoke], finds: [{ checker: 'membership', says: /ended \(crashed/ }] },
  'agent.flap-ana': { class: 'flapping', rows: [17], scenarios: [smoke], finds: [{ checker: 'ha-response', says: /became optimized \d+ times .* the faults explain/ }] },
  'monitor.no-blocklist': { class: 'takeover without fencing', rows: [2], scenarios: [smoke, 'nightly/held-store-write'], finds: [{ checker: 'ha-response', says: /the store had not fenced/ }, overwritten] },
  'monitor.never-declares-down': { class: 'no failover', rows: [7], scenarios: ['regressions/four-gateways', 'failover/gateway-dead'], finds: [notTaken, stalled] },
  'monitor.ignore-no-listeners': { class: 'no failover after listeners are gone', rows: [5], scenarios: ['failover/listeners-removed'], finds: [notTaken, stalled] },
  'monitor.failover-storm': { class: 'failover storm', rows: [17], scenarios: [smoke], finds: [{ checker: 'membership', says: /ended itself/ }, { checker: 'ha-response', says: /the faults explain/ }, notHome] },
  'monitor.delete-ignored': { class: 'removed gateway stays in the map', rows: [11, 14], scenarios: ['failover/gateway-removed'], finds: [{ checker: 'membership', says: /never had it DELETING/ }] },
  'monitor.stuck-deleting': { class: 'DELETING never clears', rows: [21], scenarios: ['failover/gateway-removed'], finds: [{ checker: 'membership', says: /DELETING in the last map/ }, notHome] },
  'monitor.new-group-on-create': { class: 'ANA group of a gateway changes', rows: [11], scenarios: ['failover/gateway-removed'], finds: [{ checker: 'membership', says: /instead of its own|does not have/ }] },
  'monitor.recreated-inaccessible': { class: 'redeploy leaves a group inaccessible', rows: [9], scenarios: ['failover/gateway-removed', 'regressions/rolling-redeploy'], finds: [notHome, stalled, apart] },
  'monitor.fast-reboot-double': { class: 'two optimized owners after a fast reboot', rows: [3], scenarios: ['regressions/fast-reboot'], finds: [twoOwners] },
  'monitor.map-to-wrong-gateway': { class: 'gateway gets another gateway’s map', rows: [18], scenarios: ['regressions/all-gateways-reboot'], finds: [notHome, apart, { checker: 'inventory', says: /outside its range/ }] },
  'monitor.listener-removal-ends-peers': { class: 'unrelated gateway exits', rows: [19], scenarios: ['failover/listeners-removed'], finds: [{ checker: 'membership', says: /ended itself/ }] },
  'link.freeze': { class: 'path stands still', rows: [], scenarios: [smoke], finds: [stalled] },
  'link.flip-bit': { class: 'bit flip on the wire, without digests', rows: [], scenarios: ['regressions/without-digests'], finds: [{ checker: 'integrity', says: /torn block/ }] },
};
