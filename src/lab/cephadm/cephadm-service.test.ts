import { describe, expect, it } from 'vitest';
import { CephadmService, type CephadmServiceOptions } from './cephadm-service.js';

const service = 'nvmeof.rbd.grp1';
const hosts: Record<string, string> = { gw1: 'node-a', gw2: 'node-b', gw3: 'node-c' };

/** cephadm on paper: it deploys what a specification places, and the monitor hears of it. */
function paper(change: Partial<CephadmServiceOptions> = {}): { cephadm: CephadmService; told: string[]; placed: () => string[]; place: (names: string[]) => void; deaf: () => void } {
  const told: string[] = [];
  let placed: string[] = [];
  let known: string[] | undefined;
  const shown = (): string[] => known ?? placed;
  const cephadm = new CephadmService({
    service, containerName: '^ceph-x-', names: { hostOf: (gateway) => hosts[gateway]!, gatewayOn: (host) => Object.keys(hosts).find((name) => hosts[name] === host) },
    specification: (on) => on.join(' '),
    ceph: (words, input) => {
      told.push(input === undefined ? words : `${words} < ${input}`);
      if (words.startsWith('orch apply')) placed = input!.split(' ').filter((word) => word !== '');
      if (words.startsWith('orch ps')) return Promise.resolve(JSON.stringify([...placed, 'node-z'].map((hostname, i) => ({ daemon_type: 'nvmeof', daemon_id: `rbd.grp1.${hostname}.aaa`, hostname, status: i === 2 ? 0 : 1, status_desc: 'x' }))));
      if (words.startsWith('log last')) return Promise.resolve(JSON.stringify([{ stamp: '1', message: '{"prefix": "nvme-gw create"}' }, { stamp: '2', message: '{"prefix": "status"}' }]));
      return Promise.resolve('');
    },
    show: () => Promise.resolve(JSON.stringify({
      epoch: 1, pool: 'rbd', group: 'grp1', 'Created Gateways:': [...shown(), 'node-z'].map((host, i) => ({ 'gw-id': `client.${service}.${host}.aaa`, 'anagrp-id': i + 1, 'Availability': 'AVAILABLE', 'ana states': ' 1: STANDBY ' })),
    })),
    onHost: (gateway, command) => Promise.resolve(told.push(`${gateway}: ${command}`) === 0 ? '' : 'c0ffee\n'),
    gateway: () => ({ expectEnd: () => undefined, untilRuns: () => Promise.resolve() }),
    ...change,
  });
  return { cephadm, told, placed: () => placed, place: (names) => void (placed = names), deaf: () => void (known = [...placed]) };
}

describe('the service of gateways', () => {
  it('is told of one more host at a time, so that the monitor gives the ANA groups out in order', async () => {
    const { cephadm, told, placed } = paper();
    await cephadm.place(['gw1', 'gw2']);
    expect(told.filter((line) => line.startsWith('orch apply'))).toEqual(['orch apply -i - < node-a', 'orch apply -i - < node-a node-b']);
    // Fewer at once.
    await cephadm.place(['gw2']);
    expect(placed()).toEqual(['node-b']);
  });

  it('waits until the monitor knows a gateway before it places the next', async () => {
    const { cephadm, told, deaf, place } = paper();
    place(['node-a']);
    deaf();
    const placing = cephadm.place(['gw1', 'gw2', 'gw3']);
    await Promise.race([placing, new Promise((resolve) => setTimeout(resolve, 700))]);
    expect(told.filter((line) => line.startsWith('orch apply'))).toEqual(['orch apply -i - < node-a node-b']);
    void placing.catch(() => undefined);
  });

  it('speaks of gateways by the plan’s names, and of nobody else’s', async () => {
    const { cephadm, place } = paper();
    place(['node-a', 'node-b']);
    expect(await cephadm.daemons()).toEqual([{ name: `${service}.node-a.aaa`, host: 'gw1', status: 'running' }, { name: `${service}.node-b.aaa`, host: 'gw2', status: 'running' }]);
    expect((await cephadm.gatewayIds()).map(({ host, id }) => `${host} ${id}`)).toEqual([`gw1 client.${service}.node-a.aaa`, `gw2 client.${service}.node-b.aaa`]);
    expect(cephadm.hostOf('gw3')).toBe('node-c');
    expect(await cephadm.audit()).toEqual(['1 {"prefix": "nvme-gw create"}']);
    expect(await cephadm.containers('gw2')).toEqual(['c0ffee']);
  });
});
