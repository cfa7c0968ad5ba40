import { describe, expect, it } from 'vitest';
import { hostOfGatewayId, withPlanNames, type HostNames } from './names.js';

const service = 'nvmeof.rbd.grp.1';

function shown(...gateways: { id: string; availability: string }[]): string {
  return JSON.stringify({ epoch: 7, 'Created Gateways:': gateways.map(({ id, availability }) => ({ 'gw-id': id, 'anagrp-id': 1, 'Availability': availability })) });
}
function idsIn(text: string): string[] {
  return (JSON.parse(text) as { 'Created Gateways:': { 'gw-id': string }[] })['Created Gateways:'].map((each) => each['gw-id']);
}

describe('names of gateways', () => {
  it('finds the host in an id of cephadm, also where names have dots', () => {
    expect(hostOfGatewayId('client.nvmeof.rbd.grp.1.gw1.chexwt', service)).toBe('gw1');
    expect(hostOfGatewayId('client.nvmeof.rbd.grp.1.gw1.example.chexwt', service)).toBe('gw1.example');
    expect(hostOfGatewayId('client.nvmeof.rbd.other.gw1.chexwt', service)).toBeUndefined();
    expect(hostOfGatewayId('client.nvmeof.rbd.grp.1.gw1', service)).toBeUndefined();
  });

  it('gives the name of a host to the gateway that is there to stay, in either order', () => {
    const gone = { id: 'client.nvmeof.rbd.grp.1.gw1.aaaaaa', availability: 'DELETING' };
    const fresh = { id: 'client.nvmeof.rbd.grp.1.gw1.bbbbbb', availability: 'CREATED' };
    expect(idsIn(withPlanNames(shown(gone, fresh), service))).toEqual([gone.id, 'gw1']);
    expect(idsIn(withPlanNames(shown(fresh, gone), service))).toEqual(['gw1', gone.id]);
    expect(idsIn(withPlanNames(shown(gone), service))).toEqual(['gw1']);
  });

  it('leaves foreign gateways and other answers as they are', () => {
    expect(idsIn(withPlanNames(shown({ id: 'client.other', availability: 'AVAILABLE' }), service))).toEqual(['client.other']);
    expect(withPlanNames('no JSON', service)).toBe('no JSON');
  });

  it('may be others than those of the hosts', () => {
    const other: HostNames = { hostOf: (gateway) => ({ gw1: 'node-a' })[gateway] ?? '?', gatewayOn: (host) => ({ 'node-a': 'gw1' })[host] };
    const ids = ['client.nvmeof.rbd.grp.1.node-a.aaaaaa', 'client.nvmeof.rbd.grp.1.node-z.bbbbbb'];
    expect(idsIn(withPlanNames(shown(...ids.map((id) => ({ id, availability: 'AVAILABLE' }))), service, other))).toEqual(['gw1', ids[1]]);
  });
});
