import { GatewayMonitorModel, type Beacon, type MonitorEffect, type MonitorTimers } from '../../monitor/index.js';
import type { ModelSideOptions } from '../model-side.js';

type Create = NonNullable<ModelSideOptions['create']>;

/** A model with one defect, and what must give it away. */
export interface Mutant {
  defect: string;
  create: Create;
  /** The schedule that has to find it. */
  schedule: string;
  /** Matches one of the differences in words. */
  finds: RegExp;
}

const withTimers = (changes: Partial<MonitorTimers>): Create => (options) => new GatewayMonitorModel({ ...options, timers: { ...options.timers, ...changes } });

/** A model that hears every beacon as something else. */
function hearing(alter: (beacon: Beacon, model: GatewayMonitorModel) => Beacon[]): Create {
  return (options) => new (class extends GatewayMonitorModel {
    override beacon(nowMs: number, address: string, beacon: Beacon): MonitorEffect[] {
      return alter(beacon, this).flatMap((each) => super.beacon(nowMs, address, each));
    }
  })(options);
}

const availabilityOf = (model: GatewayMonitorModel, { pool, group, gwId }: Beacon): string | undefined => model.gateways(pool, group).find(({ id }) => id === gwId)?.availability;

export const mutants: readonly Mutant[] = [
  {
    defect: 'the failback timer is dropped', create: withTimers({ failbackMs: 0 }), schedule: 'kill-and-return',
    finds: /^gw1\/1 OWNER_FAILBACK_PREPARED, since its own beginning: monitor [34]\.\d s, model [01]\.\d s/,
  },
  {
    defect: 'nobody waits for a blocklist', create: hearing((beacon) => [{ ...beacon, subsystems: beacon.subsystems.map((subsystem) => ({ ...subsystem, namespaces: [] })) }]),
    schedule: 'slow-store', finds: /^the model never came to: until gw2 WAIT_BLOCKLIST_CMPL for group 1$/,
  },
  {
    defect: 'the same, where no store is slow', create: hearing((beacon) => [{ ...beacon, subsystems: beacon.subsystems.map((subsystem) => ({ ...subsystem, namespaces: [] })) }]),
    schedule: 'kill-and-return', finds: /^gw2 was told to serve group 1 \(time 1\): by the monitor after an epoch of the store, by the model at once$/,
  },
  {
    defect: 'a blocklist wait never expires', create: withTimers({ blocklistWaitMs: 1e9 }), schedule: 'wait-expires', finds: /^the model never came to: until gw2 UNAVAILABLE$/,
  },
  {
    defect: 'the redeploy heuristic is missing', create: withTimers({ skipFailoversMs: 0 }), schedule: 'redeploy',
    finds: /^gw1\/3 WAIT_BLOCKLIST_CMPL, since kill gw3: monitor 1\d\.\d s, model [678]\.\d s/,
  },
  {
    defect: 'a deletion suppresses nothing', create: withTimers({ deleteSuppressMs: 0 }), schedule: 'delete-and-create', finds: /^gw2\/1 WAIT_BLOCKLIST_CMPL, since delete gw1: monitor [5-7]\.\d s, model 0\.0 s/,
  },
  { defect: 'half the grace', create: withTimers({ beaconGraceMs: 3_500 }), schedule: 'short-cut', finds: /^gw1: the monitor stays as it is, the model UNAVAILABLE at/ },
  { defect: 'twice the grace', create: withTimers({ beaconGraceMs: 14_000 }), schedule: 'kill-and-return', finds: /^gw1 UNAVAILABLE, since kill gw1: monitor [67]\.\d s, model 1[34]\.\d s/ },
  {
    defect: 'a gateway without listeners counts',
    create: hearing((beacon) => [{ ...beacon, subsystems: beacon.subsystems.map((subsystem) => ({ ...subsystem, listeners: [{ adrfam: 'IPv4', traddr: '192.0.2.1', trsvcid: '1' }] })) }]),
    schedule: 'listeners-close', finds: /^gw1: the monitor CREATED at .*, the model stays as it is$/,
  },
  {
    defect: 'locations are not looked at',
    create: (options) => new (class extends GatewayMonitorModel {
      readonly #seen = new Map<string, string>();
      override setLocation(nowMs: number, pool: string, group: string, id: string, location: string): ReturnType<GatewayMonitorModel['setLocation']> {
        const result = super.setLocation(nowMs, pool, group, id, `${location}-${this.#seen.get(id) === location ? '' : id}`);
        this.#seen.set(id, location);
        return result;
      }
    })(options),
    schedule: 'same-location-first', finds: /^the model never came to: until gw3 ACTIVE for group 1$/,
  },
  {
    defect: 'an emptied list of an UNAVAILABLE beacon means “unchanged”, as this model once had it',
    create: (options) => {
      const last = new Map<string, Beacon['subsystems']>();
      return hearing((beacon) => {
        const key = `${beacon.group}/${beacon.gwId}`;
        if (beacon.availability === 'UNAVAILABLE' && beacon.subsystems.length === 0) return [{ ...beacon, subsystems: last.get(key) ?? [] }];
        last.set(key, beacon.subsystems);
        return [beacon];
      })(options);
    },
    schedule: 'data-plane-dies-emptied', finds: /^gw1: the monitor CREATED at .*, the model UNAVAILABLE at/,
  },
  {
    defect: 'beacons are not counted, as this model once had it', create: hearing((beacon) => (beacon.availability === 'CREATED' ? [beacon, beacon] : [beacon])),
    schedule: 'fast-reboot-then-kill', finds: /^gw1\/2 WAIT_BLOCKLIST_CMPL, since kill gw2: monitor [67]\.\d s, model 1\d\.\d s/,
  },
  {
    defect: 'a restart forgets nothing', create: (options) => new (class extends GatewayMonitorModel { override restart(): void {} })(options),
    schedule: 'monitor-restarts', finds: /^gw1: the monitor CREATED at .*, the model stays as it is$/,
  },
  {
    defect: 'a gateway that was failed over is let in again without a restart',
    create: hearing((beacon, model) => (beacon.availability === 'AVAILABLE' && availabilityOf(model, beacon) === 'UNAVAILABLE' ? [{ ...beacon, availability: 'CREATED', subsystems: [] }, beacon] : [beacon])),
    schedule: 'cut-and-heal', finds: /^gw1 AVAILABLE|^gw1\/1 OWNER_FAILBACK_PREPARED/,
  },
  {
    defect: 'abandoned groups are not looked after', create: (options) => new (class extends GatewayMonitorModel { override tick(): MonitorEffect[] { return []; } })(options),
    schedule: 'late-starter', finds: /^the model never came to: until gw1 ACTIVE for group 2$/,
  },
];
