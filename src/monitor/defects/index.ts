import type { BlocklistStore } from '../commands.js';
import type { MonitorModel } from '../model/model.js';
import { noBlocklist } from './blocklist.js';
import type { MakeMonitorDefect } from './kit.js';
import { failoverStorm, ignoreNoListeners, neverDeclaresDown } from './liveness.js';
import { fastRebootDouble, listenerRemovalEndsPeers, mapToWrongGateway, recreatedInaccessible } from './maps.js';
import { deleteIgnored, newGroupOnCreate, stuckDeleting } from './membership.js';

/** Every defect of the monitor, with its name in plan/defects.ts. */
const makers = {
  'monitor.no-blocklist': noBlocklist,
  'monitor.never-declares-down': neverDeclaresDown,
  'monitor.ignore-no-listeners': ignoreNoListeners,
  'monitor.failover-storm': failoverStorm,
  'monitor.delete-ignored': deleteIgnored,
  'monitor.stuck-deleting': stuckDeleting,
  'monitor.new-group-on-create': newGroupOnCreate,
  'monitor.recreated-inaccessible': recreatedInaccessible,
  'monitor.fast-reboot-double': fastRebootDouble,
  'monitor.map-to-wrong-gateway': mapToWrongGateway,
  'monitor.listener-removal-ends-peers': listenerRemovalEndsPeers,
} satisfies Record<string, MakeMonitorDefect>;

export type MonitorDefectName = keyof typeof makers;
export const monitorDefectNames = Object.keys(makers) as [MonitorDefectName, ...MonitorDefectName[]];

/** The parts of a monitor with these defects. */
export function makeMonitorDefects(names: readonly MonitorDefectName[]): { model: (model: MonitorModel) => MonitorModel; store: (store: BlocklistStore) => BlocklistStore } {
  const defects = names.map((name) => makers[name]());
  return {
    model: (model) => defects.reduce((wrapped, defect) => defect.model?.(wrapped) ?? wrapped, model),
    store: (store) => defects.reduce((wrapped, defect) => defect.store?.(wrapped) ?? wrapped, store),
  };
}
