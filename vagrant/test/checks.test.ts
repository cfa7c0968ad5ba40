import { describe, expect, it } from 'vitest';
import { gatewayProblems, healthProblems, ioProblems, orchProblems, pathProblems, provisionProblems } from './checks.js';

describe('healthProblems', () => {
  it('accepts health with what is muted, and nothing else', () => {
    expect(healthProblems('HEALTH_OK (muted: MGR_MODULE_ERROR)\n')).toEqual([]);
    expect(healthProblems('HEALTH_WARN 1 pool(s) full\n')).toEqual(['ceph health says HEALTH_WARN 1 pool(s) full']);
    expect(healthProblems('')).toEqual(['ceph health says nothing']);
  });
});

describe('ioProblems', () => {
  const line = (error: number, readKb: number, writtenKb: number): string => ['3', 'fio-3.41', 'io', '0', error, readKb, ...Array.from({ length: 40 }, () => '0'), writtenKb, '0'].join(';');

  it('accepts what was written and read back on every head', () => {
    expect(ioProblems(`${line(0, 1024, 1024)}\n${line(0, 1024, 1024)}\n`, 2)).toEqual([]);
  });

  it('refuses an error, less than all, and a head without a word', () => {
    expect(ioProblems(line(84, 1024, 1024), 1)).toEqual(['head 1: error 84, 1024 KB read back of 1024 KB written']);
    expect(ioProblems(line(0, 0, 1024), 1)).toEqual(['head 1: error 0, 0 KB read back of 1024 KB written']);
    expect(ioProblems('fio: no such file', 1)).toEqual(['fio ran on 0 heads, not 1: fio: no such file']);
    expect(ioProblems('', 4)).toHaveLength(1);
  });
});

describe('orchProblems', () => {
  const daemon = (hostname: string, suffix: string, status: number, text: string) => ({ daemon_type: 'nvmeof', daemon_id: `rbd.g.${hostname}.${suffix}`, hostname, status, status_desc: text });

  it('accepts one that runs on each host, and names hosts with none, with two, and with one that has stopped', () => {
    const said = `[${['gw1', 'gw2'].map((host) => JSON.stringify(daemon(host, 'abcdef', 1, 'running'))).join(',')}]`;
    expect(orchProblems(said, ['gw1', 'gw2'])).toEqual([]);
    const wrong = JSON.stringify([daemon('gw1', 'abcdef', 0, 'stopped'), daemon('gw2', 'abcdef', 1, 'running'), daemon('gw2', 'ghijkl', 1, 'running')]);
    expect(orchProblems(wrong, ['gw1', 'gw2', 'gw3'])).toEqual(['gw1 has nvmeof.rbd.g.gw1.abcdef: stopped', 'gw2 has nvmeof.rbd.g.gw2.abcdef: running, nvmeof.rbd.g.gw2.ghijkl: running', 'gw3 has no gateway']);
    expect(orchProblems('No daemons reported', ['gw1'])).toEqual(['orch ps is no JSON: No daemons reported']);
  });
});

describe('gatewayProblems', () => {
  const gateway = (id: string, group: number, availability: string, states: string) => ({ 'gw-id': id, 'anagrp-id': group, 'num-namespaces': 2, 'performed-full-startup': 1, 'Availability': availability, 'num-listeners': 2, 'ana states': states });
  const show = (...gateways: object[]): string => `${JSON.stringify({ 'epoch': 7, 'GW-epoch': 7, 'pool': 'rbd', 'group': 'g', 'features': 'LB', 'rebalance_ana_group': 1, 'num gws': gateways.length, 'Anagrp list': '[ 1 2 ]', 'num-namespaces': 4, 'Created Gateways:': gateways })}\n`;
  const first = gateway('gw1', 1, 'AVAILABLE', ' 1: ACTIVE , 2: STANDBY ');
  const second = gateway('gw2', 2, 'AVAILABLE', ' 1: STANDBY , 2: ACTIVE ');

  it('accepts gateways that are AVAILABLE and ACTIVE for their own group', () => {
    expect(gatewayProblems(show(first, second), ['gw1', 'gw2'])).toEqual([]);
  });

  it('knows the gateways of cephadm by their hosts', () => {
    const show2 = show(gateway('client.nvmeof.rbd.g.gw1.abcdef', 1, 'AVAILABLE', ' 1: ACTIVE , 2: STANDBY '));
    expect(gatewayProblems(show2, ['gw1'], 'nvmeof.rbd.g')).toEqual([]);
    expect(gatewayProblems(show2, ['gw1', 'gw2'], 'nvmeof.rbd.g')).toEqual(['the monitor does not know gw2']);
  });

  it('names one that is not there, not AVAILABLE, or has more than its own', () => {
    expect(gatewayProblems(show(first), ['gw1', 'gw2'])).toEqual(['the monitor does not know gw2']);
    expect(gatewayProblems(show(gateway('gw1', 1, 'AVAILABLE', ' 1: ACTIVE , 2: ACTIVE '), gateway('gw2', 2, 'CREATED', ' 1: STANDBY , 2: STANDBY ')), ['gw1', 'gw2'])).toEqual([
      'gw1 is ACTIVE for the groups 1, 2, its own is 1', 'gw2 is CREATED', 'gw2 is ACTIVE for the groups none, its own is 2',
    ]);
  });

  it('takes no other output for an answer', () => {
    expect(gatewayProblems('Error ENOENT\n', ['gw1'])).toEqual(['nvme-gw show is no JSON: Error ENOENT']);
  });
});

describe('pathProblems', () => {
  const line = (nsid: number, controller: number, state: string, ana: string): string => (
    `nvme0c${controller}n${nsid} ${nsid} ${state} traddr=${controller < 2 ? '192.0.2' : '198.51.100'}.${101 + (controller % 2)},trsvcid=4420,src_addr=x ${ana}\r`
  );
  const shape = { namespaces: 1, gateways: 2, fabrics: 2 };
  const all = (anas: readonly string[], states = ['live', 'live', 'live', 'live']): string => anas.map((ana, i) => line(1, i, states[i]!, ana)).join('\n');
  const healthy = ['optimized', 'inaccessible', 'optimized', 'inaccessible'];

  it('accepts all paths, those of one gateway optimized', () => {
    expect(pathProblems(all(healthy), shape)).toEqual([]);
  });

  it('finds missing and dead paths', () => {
    expect(pathProblems('', shape)).toEqual(['namespace 1 has 0 paths, not 4', 'namespace 1 has 0 optimized paths, of 0 gateways']);
    expect(pathProblems(all(healthy, ['live', 'connecting', 'live', 'live']), shape)).toEqual(['nvme0c1n1 is connecting']);
  });

  it('finds two active gateways, and a fabric over which the active one is not', () => {
    expect(pathProblems(all(['optimized', 'inaccessible', 'inaccessible', 'optimized']), shape)).toEqual(['namespace 1 has 2 optimized paths, of 2 gateways']);
    expect(pathProblems(all(['optimized', 'inaccessible', 'change', 'inaccessible']), shape)).toEqual(['namespace 1 has 1 optimized paths, of 1 gateways', 'nvme0c2n1 is change']);
  });
});

describe('provisionProblems', () => {
  const output = '    gw1: [pathproof] gw1: changed   addresses (0.1 s)\n    gw1: [pathproof] gw1: 5 steps, 1 changed (0.3 s)\n    ceph: [pathproof] ceph: 9 steps, 0 changed (0.3 s)\n';

  it('lets the first time change what it likes, but not end early', () => {
    expect(provisionProblems(output, ['ceph', 'gw1'], 'change')).toEqual([]);
    expect(provisionProblems(output, ['ceph', 'gw1', 'host1'], 'change')).toEqual(['host1 did not get to the end of its provisioning']);
  });

  it('names what a second time has changed', () => {
    expect(provisionProblems(output, ['ceph', 'gw1'], 'change nothing')).toEqual(['gw1 has changed addresses']);
  });
});
