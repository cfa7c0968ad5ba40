import { override } from '../../util/override.js';
import type { MakeMonitorDefect } from './kit.js';

const done = { code: 0, status: '', effects: [] };

/** `delete-ignored` (ceph-nvmeof #505, ceph PR 60735): `nvme-gw delete` says yes and does nothing: the gateway stays in the map. */
export const deleteIgnored: MakeMonitorDefect = () => ({ model: (model) => override(model, { delete: () => done }) });

/** `stuck-deleting` (ceph-nvmeof #1377): a gateway that was deleted stays DELETING even after it is created again. */
export const stuckDeleting: MakeMonitorDefect = () => ({
  model: (model) => override(model, {
    create: (nowMs, pool, group, id) => model.gateways(pool, group).some((gateway) => gateway.id === id && gateway.availability === 'DELETING') ? done : model.create(nowMs, pool, group, id),
  }),
});

/** `new-group-on-create` (ceph-nvmeof #505): a gateway that is created again gets another ANA group, and its old one goes to somebody that nobody has asked for. */
export const newGroupOnCreate: MakeMonitorDefect = () => ({
  model: (model) => override(model, {
    create: (nowMs, pool, group, id) => {
      const leaving = model.gateways(pool, group).some((gateway) => gateway.id === id && gateway.availability === 'DELETING');
      if (!leaving) return model.create(nowMs, pool, group, id);
      const heir = model.create(nowMs, pool, group, `${id}.new`);
      const own = model.create(nowMs, pool, group, id);
      return { ...own, effects: [...heir.effects, ...own.effects] };
    },
  }),
});
