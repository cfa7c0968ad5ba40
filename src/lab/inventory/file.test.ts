import { describe, expect, it } from 'vitest';
import { PathproofError } from '../../util/errors.js';
import { hostNamed, loadInventory, parseInventory, spdkOf, withRole } from './file.js';
import { exampleInventory as good, existingInventory as existing, spdkInventory as spdk } from './testing/example.js';

function mistakes(text: string): string {
  try {
    parseInventory(text, 'i.yaml');
  } catch (error) {
    if (error instanceof PathproofError && error.code === 'BAD_INVENTORY' && error.exitCode === 64) return error.message;
    throw error;
  }
  return '';
}

describe('inventory file', () => {
  it('takes a whole one, with defaults', () => {
    const inventory = parseInventory(good, '/etc/pathproof/i.yaml');
    expect(inventory).toMatchObject({ name: 'rack', sshConfig: '/etc/pathproof/ssh_config', allow: ['kill', 'network'], accel: 'native', gateways: { kind: 'nvmet', port: 4_420 }, cluster: { entity: 'client.admin', keyring: '/etc/ceph/ceph.client.admin.keyring' } });
    expect(withRole(inventory, 'gateway').map(({ name }) => name)).toEqual(['gw1', 'gw2']);
    expect(hostNamed(inventory, 'host1').ssh).toBe('host1');
  });

  it.each([
    ['a YAML error', good.replace('name: rack', 'name: [rack'), /^i\.yaml:\d+:\d+: /],
    ['an unknown field', good.replace('    power: ', '    powre: '), /^i\.yaml:12:5: hosts\.gw1: unknown field "powre"/],
    ['a wrong role', good.replace('roles: [ceph]', 'roles: [osd]'), /^i\.yaml:7:13: hosts\.ceph\.roles\.0: /],
    ['an ssh option in place of a destination', good.replace('ssh: host1', 'ssh: -oProxyCommand=x'), /hosts\.host1\.ssh: an OpenSSH destination is wanted/],
    ['a permission that does not exist', good.replace('[kill, network]', '[kill, reboot]'), /^i\.yaml:\d+:\d+: allow\.1: /],
    ['an image name that would be shell', good.replace('image: pp2', 'image: "pp2; rm"'), /namespaces\.1\.image: letters, digits/],
    ['a namespace that nobody gave up', good.replace('image: pp2, mebibytes: 16, scratch: true', 'image: pp2, mebibytes: 16'), /^i\.yaml:\d+:\d+: namespaces\.1: pp2 is not marked scratch: true/],
    ['a namespace that is there twice', good.replace('image: pp2', 'image: pp1'), /namespaces\.1\.image: pp1 is named twice/],
    ['an administrator who is no host', good.replace('admin: ceph', 'admin: mon9'), /cluster\.admin: there is no host mon9/],
    ['gateways out of order', good.replace('  gw2:', '  gw3:'), /hosts\.gw3: the hosts with the role gateway are named gw1, gw2 … in this order: this is gw2/],
    ['no host', good.replace('roles: [host]', 'roles: [ceph]'), /hosts: none has the role host/],
    ['two gateways with one address', good.replace('192.0.2.102', '192.0.2.101'), /192\.0\.2\.101 is gw1's/],
    ['powerOff without power commands', good.replace('[kill, network]', '[powerOff]'), /hosts\.gw2: allow has powerOff: the gateway needs power commands/],
    ['gateways with different numbers of networks', good.replace('[192.0.2.102]', '[192.0.2.102, 198.51.100.102]'), /hosts\.gw2\.fabrics: every gateway has as many addresses/],
    ['a gateway without an address', good.replace(', fabrics: [192.0.2.102]', ''), /hosts\.gw2: a gateway needs fabrics/],
  ])('refuses %s, with its place', (_, text, message) => {
    expect(text).not.toBe(good);
    expect(mistakes(text)).toMatch(message);
  });

  it('takes gateways that are there already', () => {
    const inventory = parseInventory(existing, 'i.yaml');
    expect(inventory.gateways).toMatchObject({ kind: 'ceph-nvmeof', subsystem: 'nqn.2016-06.io.spdk:cnode1', timers: { beaconGraceMs: 10_000 } });
    expect(inventory.namespaces[2]).toMatchObject({ image: 'pp3', nsid: 13, uuid: '11111111-2222-4333-8444-555555555553', anaGroup: 1 });
    expect(hostNamed(inventory, 'gw2').cephadm).toBe('node-b');
  });

  it.each([
    ['no subsystem', existing.replace('subsystem: "nqn.2016-06.io.spdk:cnode1", ', ''), /^i\.yaml:\d+:\d+: gateways: gateways of the kind ceph-nvmeof need subsystem/],
    ['an NQN that would be shell', existing.replace('cnode1"', "cnode1';x\""), /gateways\.subsystem: no quotes/],
    ['a namespace without an identity', existing.replace('nsid: 12, uuid: 11111111-2222-4333-8444-555555555552, ', ''), /^i\.yaml:\d+:\d+: namespaces\.1: pp2 needs nsid, uuid: /],
    ['one identity twice', existing.replace('nsid: 12', 'nsid: 11'), /namespaces\.1\.nsid: 11 is named twice/],
    ['an ANA group without a gateway', existing.replace('anaGroup: 2', 'anaGroup: 3'), /namespaces\.1\.anaGroup: there are 2 gateways, and gwN has ANA group N/],
    ['a gateway without a namespace', existing.replaceAll('anaGroup: 2', 'anaGroup: 1'), /namespaces: none is in ANA group 2, gw2's/],
    ['a timer that is a host’s', existing.replace('beaconGraceMs', 'katoMs'), /gateways\.timers: unknown field "katoMs"/],
    ['an identity of what pathproof makes itself', good.replace('image: pp1, mebibytes: 16', 'image: pp1, nsid: 3, mebibytes: 16'), /namespaces\.0\.nsid: pathproof names the namespaces/],
    ['a service of gateways that pathproof starts', good.replace('kind: nvmet', 'kind: nvmet, service: nvmeof.a.b'), /gateways\.service: only gateways of the kind ceph-nvmeof/],
  ])('refuses gateways that are there already with %s', (_, text, message) => {
    expect([good, existing]).not.toContain(text);
    expect(mistakes(text)).toMatch(message);
  });

  it('takes SPDK, as it is installed by itself unless it is named', () => {
    expect(spdkOf(parseInventory(spdk, 'i.yaml'))).toEqual({ target: '/opt/spdk/nvmf_tgt', arguments: ['--cpumask', '[0,1]', '--no-huge'] });
    expect(spdkOf(parseInventory(good.replace('kind: nvmet', 'kind: spdk'), 'i.yaml'))).toEqual({ target: '/usr/local/bin/nvmf_tgt', arguments: ['--cpumask', '0x1'] });
    expect(spdkOf(parseInventory(good, 'i.yaml'))).toBeUndefined();
  });

  it.each([
    ['for another kind', spdk.replace('kind: spdk', 'kind: nvmet'), /^i\.yaml:\d+:\d+: gateways\.spdk: only gateways of the kind spdk have it/],
    ['reached otherwise', spdk.replace('--no-huge', '--rpc-socket'), /gateways\.spdk\.arguments\.2: --rpc-socket: pathproof says by itself how SPDK is reached/],
    ['with a PCI device', spdk.replace('--no-huge', '-A, "0000:01:00.0"'), /gateways\.spdk\.arguments\.2: -A: .*no PCI device is touched/],
    ['with an option that would be shell', spdk.replace('--no-huge', '"--no-huge; rm"'), /gateways\.spdk\.arguments\.2: an option without blanks and quotes/],
    ['in a folder of its own', spdk.replace('/opt/spdk/nvmf_tgt', 'build/bin/nvmf_tgt'), /gateways\.spdk\.target: an absolute path/],
  ])('refuses SPDK %s', (_, text, message) => {
    expect(text).not.toBe(spdk);
    expect(mistakes(text)).toMatch(message);
  });

  it('names every mistake in the order of the lines', () => {
    const text = good.replace('admin: ceph', 'admin: mon9').replace('image: pp2', 'image: pp1');
    expect(mistakes(text).split('\n').map((line) => line.replace(/^i\.yaml:\d+:\d+: /, '').split(':')[0])).toEqual(['cluster.admin', 'namespaces.1.image']);
  });

  it('says when the file is not there', () => {
    expect(() => loadInventory('/nonexistent/i.yaml')).toThrow(/cannot read the inventory/);
  });
});
