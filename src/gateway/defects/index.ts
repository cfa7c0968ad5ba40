import type { DefectContext, GatewayDefect, MakeDefect } from './kit.js';
import { anaNotApplied, crashOnPromotion, failbackInaccessible, flapAna, slowPromotion, slowRpcs } from './ana-changes.js';
import { anaGroupMissing, frozenChgcnt, loseAen, staleAnaLog, truncateAnaLog } from './ana-log.js';
import { backendDefects, FaultyImages } from './faulty-backend.js';
import { idleNamespacesDead } from './idle-namespaces.js';
import { loseNamespaces, reuseCntlid, swapNsids } from './identities.js';
import { admitBeforeData, readWhileInaccessible, writeBackCache } from './late-data.js';
import { lateDemotion } from './late-demotion.js';
import { listenerOptimized, staleListener } from './listeners.js';
import { optimizedEverywhere } from './optimized-everywhere.js';

export type { DefectContext, GatewayDefect } from './kit.js';

/** Every defect of a gateway process but those of faulty-backend.ts, with its name in plan/defects.ts. */
const makers = {
  'gateway.admit-before-data': admitBeforeData,
  'gateway.write-back-cache': writeBackCache,
  'gateway.read-while-inaccessible': readWhileInaccessible,
  'gateway.optimized-everywhere': optimizedEverywhere,
  'gateway.listener-optimized': listenerOptimized,
  'gateway.stale-listener': staleListener,
  'gateway.lose-aen': loseAen,
  'gateway.stale-ana-log': staleAnaLog,
  'gateway.frozen-chgcnt': frozenChgcnt,
  'gateway.ana-group-missing': anaGroupMissing,
  'gateway.truncate-ana-log': truncateAnaLog,
  'gateway.reuse-cntlid': reuseCntlid,
  'gateway.swap-nsids': swapNsids,
  'gateway.lose-namespaces': loseNamespaces,
  'gateway.idle-namespaces-dead': idleNamespacesDead,
  'agent.late-demotion-50ms': lateDemotion(50),
  'agent.late-demotion-2s': lateDemotion(2_000),
  'agent.slow-promotion': slowPromotion,
  'agent.slow-rpcs': slowRpcs,
  'agent.ana-not-applied': anaNotApplied,
  'agent.failback-inaccessible': failbackInaccessible,
  'agent.crash-on-promotion': crashOnPromotion,
  'agent.flap-ana': flapAna,
} satisfies Record<string, MakeDefect>;

type MadeName = keyof typeof makers;
export type GatewayDefectName = MadeName | `gateway.${(typeof backendDefects)[number]}`;
export const gatewayDefectNames: readonly GatewayDefectName[] = [...backendDefects.map((name) => `gateway.${name}` as const), ...(Object.keys(makers) as MadeName[])];

/** The defects of one gateway process, in the order in which they are wrapped around its parts. */
export function makeGatewayDefects(names: readonly GatewayDefectName[], context: DefectContext): GatewayDefect[] {
  const defects: GatewayDefect[] = [];
  const ofImages = backendDefects.filter((name) => names.includes(`gateway.${name}`));
  if (ofImages.length > 0) {
    const images = new FaultyImages(new Set(ofImages));
    defects.push({ image: (image) => images.wrap(image) });
  }
  for (const name of names) if (name in makers) defects.push(makers[name as MadeName](context));
  return defects;
}
