import { describe, expect, it } from 'vitest';
import type { Beacon, GatewayMap } from '../client.js';
import { group, pool, productionTimers, Simulation } from '../testing/simulation.js';
import { GatewayMonitorModel } from './model.js';
import type { MonitorEffect } from './types.js';

function mapsTo(address: string, effects: readonly MonitorEffect[]): GatewayMap[] {
  return effects.flatMap((effect) => (effect.kind === 'map' && effect.address === address ? [effect.map] : []));
}

function beaconOf(gwId: string, availability: Beacon['availability'], more: Partial<Beacon> = {}): Beacon {
  return {
    gwId, pool, group, availability, lastOsdEpoch: 0, lastGwmapEpoch: 0,
    subsystems: availability === 'CREATED' ? [] : [{
      nqn: 'nqn.t:s', listeners: [{ adrfam: 'IPv4', traddr: '10.0.0.1', trsvcid: '4420' }], namespaces: [{ anaGroup: 1, nonce: '10.0.0.1:0/77' }],
    }],
    ...more,
  };
}

function modelWith(...ids: string[]): GatewayMonitorModel {
  const model = new GatewayMonitorModel({ timers: productionTimers, nowMs: 0 });
  for (const id of ids) model.create(0, pool, group, id);
  return model;
}

describe('answers to CREATED beacons', () => {
  it('is the empty map with epoch 0 for a gateway that nobody created, whose AVAILABLE beacons are not answered', () => {
    const model = modelWith();
    expect(model.beacon(1, 'a', beaconOf('gw1', 'CREATED'))).toEqual([{ kind: 'map', address: 'a', map: { epoch: 0, entry: undefined } }]);
    expect(model.beacon(2, 'a', beaconOf('gw1', 'AVAILABLE'))).toEqual([]);
  });

  it('is the entry without subsystems, every time', () => {
    const model = modelWith('gw0', 'gw1');
    for (const nowMs of [1, 2, 3]) {
      expect(mapsTo('a', model.beacon(nowMs, 'a', beaconOf('gw1', 'CREATED')))).toEqual([
        { epoch: model.gwEpoch(pool, group), entry: { gwId: 'gw1', groupIndex: 1, availability: 'CREATED', subsystems: [] } },
      ]);
    }
  });

  it('counts a gateway in again that was declared down, as CREATED, with its first CREATED beacon', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1', 'gw2');
    sim.runUntil(4_000);
    sim.kill('gw1');
    sim.runUntil(13_000);
    const [map] = mapsTo('new', sim.model.beacon(13_000, 'new', beaconOf('gw1', 'CREATED')));
    expect(map!.entry).toMatchObject({ gwId: 'gw1', groupIndex: 0, availability: 'CREATED' });
    expect(sim.availability('gw1')).toBe('CREATED');
  });
});

describe('delivery', () => {
  it('sends each commit that concerns the group, unicast, to the sessions of its gateways that are not CREATED', () => {
    const model = modelWith('gw1', 'gw2');
    for (const address of ['a', 'b', 'stranger']) expect(model.subscribe(address)).toEqual([]);
    model.beacon(1, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'b', beaconOf('gw2', 'CREATED'));
    const effects = model.beacon(2, 'a', beaconOf('gw1', 'AVAILABLE'));
    expect(mapsTo('a', effects)).toEqual([{
      epoch: model.gwEpoch(pool, group),
      entry: {
        gwId: 'gw1', groupIndex: 0, availability: 'AVAILABLE',
        subsystems: [{ nqn: 'nqn.t:s', ana: [{ state: 'OPTIMIZED', osdEpoch: 0 }, { state: 'INACCESSIBLE', osdEpoch: 0 }] }],
      },
    }]);
    expect(mapsTo('b', effects)).toEqual([]); // CREATED: only as an answer
    expect(mapsTo('stranger', effects)).toEqual([]);
    const second = model.beacon(3, 'b', beaconOf('gw2', 'AVAILABLE'));
    expect(mapsTo('a', second)).toHaveLength(1);
    expect(mapsTo('b', second)).toHaveLength(1);
  });

  it('acknowledges the first AVAILABLE beacon without a change and then every 15th', () => {
    const model = modelWith('gw1');
    model.subscribe('a');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    const answered: number[] = [];
    for (let i = 0; i < 46; i++) {
      if (mapsTo('a', model.beacon(1 + i, 'a', beaconOf('gw1', 'AVAILABLE'))).length > 0) answered.push(i);
    }
    expect(answered).toEqual([0, 15, 30, 45]);
  });

  it('does not send a changed subsystem list before the next acknowledgement', () => {
    const model = modelWith('gw1');
    model.subscribe('a');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    const gwEpoch = model.gwEpoch(pool, group);
    const { epoch } = model;
    const two = [...beaconOf('gw1', 'AVAILABLE').subsystems, { nqn: 'nqn.t:later', listeners: [], namespaces: [] }];
    const effects = model.beacon(2, 'a', beaconOf('gw1', 'AVAILABLE', { subsystems: two }));
    expect(effects).toEqual([{ kind: 'commit', epoch: epoch + 1 }]);
    expect(model.gwEpoch(pool, group)).toBe(gwEpoch);
    let last: GatewayMap[] = [];
    for (let i = 0; i < 14; i++) last = mapsTo('a', model.beacon(3 + i, 'a', beaconOf('gw1', 'AVAILABLE', { subsystems: two })));
    expect(last[0]!.entry!.subsystems.map(({ nqn }) => nqn)).toEqual(['nqn.t:s', 'nqn.t:later']);
  });

  it('sends the present map at once to a session that subscribes again, and nothing new to one that knows it', () => {
    const model = modelWith('gw1');
    model.subscribe('a');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    expect(model.tick(5_000)).toEqual([]);
    model.unsubscribe('a');
    expect(mapsTo('a', model.subscribe('a'))).toHaveLength(1);
  });

  it('goes to the address of the newest incarnation only', () => {
    const model = modelWith('gw1', 'gw2');
    for (const address of ['old', 'new', 'b']) model.subscribe(address);
    model.beacon(0, 'old', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'old', beaconOf('gw1', 'AVAILABLE'));
    model.beacon(2, 'new', beaconOf('gw1', 'CREATED'));
    model.beacon(3, 'new', beaconOf('gw1', 'AVAILABLE')); // refused: the old one's next was expected
    expect(mapsTo('old', model.beacon(3, 'new', beaconOf('gw1', 'AVAILABLE')))).toEqual([]);
    model.beacon(4, 'b', beaconOf('gw2', 'CREATED'));
    const effects = model.beacon(5, 'b', beaconOf('gw2', 'AVAILABLE'));
    expect(mapsTo('old', effects)).toEqual([]);
    expect(mapsTo('new', effects)).toHaveLength(1);
  });

  it('takes an address away from the gateway that had it before', () => {
    const model = modelWith('gw1', 'gw2');
    model.subscribe('a');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    model.beacon(2, 'a', beaconOf('gw2', 'CREATED'));
    const effects = model.beacon(3, 'a', beaconOf('gw2', 'AVAILABLE'));
    expect(mapsTo('a', effects).map((map) => map.entry?.gwId)).toEqual(['gw2']);
  });
});

describe('epochs', () => {
  it('move per commit (global) and per change that the group must hear of (group), each group its own', () => {
    const model = modelWith('gw1');
    expect([model.epoch, model.gwEpoch(pool, group)]).toEqual([1, 1]);
    model.create(0, pool, 'other', 'gw1');
    expect([model.epoch, model.gwEpoch(pool, group), model.gwEpoch(pool, 'other')]).toEqual([2, 1, 2]);
    model.setLocation(0, pool, group, 'gw1', 'east');
    expect([model.epoch, model.gwEpoch(pool, group)]).toEqual([3, 1]);
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    expect([model.epoch, model.gwEpoch(pool, group)]).toEqual([3, 1]);
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    expect([model.epoch, model.gwEpoch(pool, group)]).toEqual([4, 2]);
  });
});

describe('show', () => {
  it('has the keys of 20.2.4, in its order', () => {
    const model = modelWith('gw1', 'gw2');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    expect(model.show(60_000, pool, group)).toBe(
      '{"epoch":3,"pool":"rbd","group":"grp1","beacon_diff_enabled":false,"features":"LB","rebalance_ana_group":2,' +
      '"num gws":2,"GW-epoch":3,"Anagrp list":"[ 1 2 ]","num-namespaces":1,"Created Gateways:":[' +
      '{"gw-id":"gw1","anagrp-id":1,"location":"","admin state":"ENABLED","num-namespaces":1,"performed-full-startup":1,' +
      '"Availability":"AVAILABLE","num-listeners":1,"ana states":" 1: ACTIVE ,  2: STANDBY "},' +
      '{"gw-id":"gw2","anagrp-id":2,"location":"","admin state":"ENABLED","num-namespaces":0,"performed-full-startup":1,' +
      '"Availability":"CREATED","num-listeners":0,"ana states":" 1: STANDBY ,  2: STANDBY "}]}',
    );
  });

  it('leaves out what an unknown group does not have, the listeners of an UNAVAILABLE gateway, and a DELETING one from the list', () => {
    const model = modelWith('gw1', 'gw2');
    expect(model.show(0, 'rbd', 'none')).toBe('{"epoch":2,"pool":"rbd","group":"none","beacon_diff_enabled":false,"features":"LB","num gws":0}');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.tick(8_000);
    const shown = JSON.parse(model.show(8_000, pool, group)) as { 'Created Gateways:': Record<string, unknown>[] };
    expect(shown['Created Gateways:'][0]).not.toHaveProperty('num-listeners');
    expect(shown['Created Gateways:'][0]).toMatchObject({ Availability: 'UNAVAILABLE', 'performed-full-startup': 0 });
    model.delete(8_000, pool, group, 'gw1');
    expect(JSON.parse(model.show(8_000, pool, group))).toMatchObject({ 'Anagrp list': '[ 2 ]', 'num gws': 2 });
  });

  it('lists the listeners of AVAILABLE gateways per subsystem', () => {
    const model = modelWith('gw1', 'gw2');
    model.beacon(0, 'a', beaconOf('gw1', 'CREATED'));
    model.beacon(1, 'a', beaconOf('gw1', 'AVAILABLE'));
    expect(JSON.parse(model.listeners(pool, group))).toMatchObject({
      'num gws': 2,
      'Created listeners': { 'nqn.t:s': [{ address_family: 'IPv4', address: '10.0.0.1', svcid: '4420', gw_id: 'gw1' }] },
    });
  });
});
