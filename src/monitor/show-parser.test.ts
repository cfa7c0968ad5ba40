import { describe, expect, it } from 'vitest';
import { group, pool, Simulation } from './testing/simulation.js';
import { MonitorError } from './protocol.js';
import { parseNvmeGwShow } from './show-parser.js';

/** Printed by ceph-mon 20.2.4. */
const tentacle = `{"epoch":4,"pool":"rbd","group":"grp1","beacon_diff_enabled":true,"features":"LB","rebalance_ana_group":2,
 "num gws":2,"GW-epoch":3,"Anagrp list":"[ 1 2 ]","num-namespaces":0,"Created Gateways:":[
 {"gw-id":"gw1","anagrp-id":1,"location":"","admin state":"ENABLED","num-namespaces":0,
  "performed-full-startup":1,"Availability":"CREATED","num-listeners":0,"ana states":" 1: STANDBY ,  2: STANDBY "}]}`;

describe('parseNvmeGwShow', () => {
  it('reads 20.2.4', () => {
    expect(parseNvmeGwShow(tentacle)).toEqual({
      epoch: 4, gwEpoch: 3, pool: 'rbd', group: 'grp1',
      gateways: [{ id: 'gw1', anaGroup: 1, availability: 'CREATED', adminState: 'ENABLED', listeners: 0, namespaces: 0, states: { 1: 'STANDBY', 2: 'STANDBY' } }],
    });
  });

  it('reads objects one after the other, with fewer keys and a comma at the end of the states', () => {
    const old = `{"pool": "rbd", "group": "", "num gws": 2, "Anagrp list": "[ 1 2 ]"}
{"gw-id": "client.nvmeof.a}b", "anagrp-id": 1, "performed-full-startup": 1, "Availability": "AVAILABLE", "ana states": " 1: ACTIVE , 2: STANDBY ,"}
{"gw-id": "client.nvmeof.\\"c", "anagrp-id": 2, "performed-full-startup": 0, "Availability": "UNAVAILABLE", "ana states": " 1: STANDBY , 2: WAIT_BLOCKLIST_CMPL ,"}`;
    const show = parseNvmeGwShow(old);
    expect(show).toMatchObject({ epoch: 0, gwEpoch: 0, pool: 'rbd', group: '' });
    expect(show.gateways).toEqual([
      { id: 'client.nvmeof.a}b', anaGroup: 1, availability: 'AVAILABLE', adminState: 'ENABLED', listeners: 0, namespaces: 0, states: { 1: 'ACTIVE', 2: 'STANDBY' } },
      { id: 'client.nvmeof."c', anaGroup: 2, availability: 'UNAVAILABLE', adminState: 'ENABLED', listeners: 0, namespaces: 0, states: { 1: 'STANDBY', 2: 'WAIT_BLOCKLIST_CMPL' } },
    ]);
  });

  it('reads the key without its colon, and a group without gateways', () => {
    expect(parseNvmeGwShow(tentacle.replace('Created Gateways:', 'Created Gateways'))).toEqual(parseNvmeGwShow(tentacle));
    expect(parseNvmeGwShow('{"epoch":7,"pool":"p","group":"g","num gws":0}')).toEqual({ epoch: 7, gwEpoch: 0, pool: 'p', group: 'g', gateways: [] });
  });

  it('reads back what the model shows, at any time of a failover', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1', 'gw2');
    sim.runUntil(4_000);
    sim.kill('gw1');
    for (let nowMs = 4_000; nowMs < 20_000; nowMs += 500) {
      sim.runUntil(nowMs);
      for (const pretty of [false, true]) {
        expect(parseNvmeGwShow(sim.model.show(nowMs, pool, group, pretty))).toEqual({
          epoch: sim.model.epoch, gwEpoch: sim.model.gwEpoch(pool, group), pool, group, gateways: sim.model.gateways(pool, group),
        });
      }
    }
  });

  it.each([
    ['nothing', ''],
    ['an error message', 'Error ENOENT'],
    ['half an object', tentacle.slice(0, -20)],
    ['an unknown availability', tentacle.replace('CREATED', 'SLEEPING')],
    ['an unknown state', tentacle.replace('2: STANDBY', '2: HOVERING')],
    ['a gateway without states', tentacle.replace('"ana states"', '"other"')],
    ['an unbalanced bracket', ']'],
    ['a string alone', '"x"'],
    ['a number as pool', '{"pool":1}'],
  ])('throws MON_SHOW_FORMAT for %s', (_, text) => {
    expect(() => parseNvmeGwShow(text)).toThrow(MonitorError);
    expect(() => parseNvmeGwShow(text)).toThrow(/^nvme-gw show: /);
  });
});
