import { describe, expect, it } from 'vitest';
import { scaleTimers } from '../../../plan/timers.js';
import { gatewayConfigText } from '../../guest/gateway-config.js';
import { addressOf, hostNumber, macOf } from '../network.js';
import { cephConfig, isClean, type CephSpec } from './ceph.js';
import { gatewayConfig, type GatewaySpec } from './gateway.js';
import { connectScript } from './host.js';
import { keyringText, newSecret, secretType } from './keyring.js';

describe('addresses', () => {
  it('are different for every node, in every fabric', () => {
    const nodes = ['ceph', 'mon1', 'mon2', 'mon3', 'osd', ...Array.from({ length: 16 }, (_, i) => `gw${i + 1}`), 'host1', 'host2'];
    const all = nodes.flatMap((n) => [addressOf('a', n), addressOf('b', n), macOf('a', n), macOf('b', n), macOf('mgmt', n)]);
    expect(new Set(all).size).toBe(all.length);
    expect(addressOf('a', 'gw1')).toBe('192.0.2.101');
    expect(addressOf('a', 'mon')).toBe(addressOf('a', 'mon1'));
  });
  it.each(['gw0', 'gw17', 'x', 'gw1a', ''])('there is none for "%s"', (name) => expect(() => hostNumber(name)).toThrow(RangeError));
});

describe('keyring', () => {
  it.each([[1, 'AQ', 28], [2, 'Ag', 44]] as const)('secrets of type %d start with %s and have %d bytes', (type, start, bytes) => {
    const secret = newSecret(type, Date.UTC(2026, 0, 2));
    expect(secret.startsWith(start)).toBe(true);
    expect(Buffer.from(secret, 'base64')).toHaveLength(bytes);
    expect(secretType(secret)).toBe(type);
    expect(Buffer.from(secret, 'base64').readUInt32LE(2)).toBe(Date.UTC(2026, 0, 2) / 1_000);
    expect(newSecret(type)).not.toBe(newSecret(type));
  });
  it('refuses what is no secret', () => expect(() => secretType(Buffer.from([9, 0, 1]).toString('base64'))).toThrow(RangeError));
  it('writes what ceph reads', () => {
    expect(keyringText([{ name: 'mon.', secret: 'S', caps: { mon: 'allow *' } }])).toBe('[mon.]\n\tkey = S\n\tcaps mon = "allow *"\n');
  });
});

describe('ceph', () => {
  const spec: CephSpec = { auth: 'none', objectStore: 'memstore', storeMb: 256, pool: 'rbd', group: 'g', gateways: ['gw1'], images: [], settings: { mon_tick_interval: '1' } };
  it('gives mon and OSD addresses of their own, absolute class folder, and the settings under test last', () => {
    const text = cephConfig(spec, 'FSID');
    expect(text).toContain('public_addr = 192.0.2.11');
    expect(text).toContain('[osd.0]\npublic_addr = 192.0.2.31\ncluster_addr = 192.0.2.31');
    expect(text).toContain('auth_client_required = none');
    expect(text).toContain('osd_class_dir = /');
    expect(text).toContain('mon_tick_interval = 1');
  });
  it.each([
    [{ num_pgs: 8, pgs_by_state: [{ state_name: 'active+clean', count: 8 }] }, true],
    [{ num_pgs: 8, pgs_by_state: [{ state_name: 'active+clean', count: 7 }, { state_name: 'unknown', count: 1 }] }, false],
    [{ num_pgs: 0, pgs_by_state: [] }, false],
    [undefined, false],
  ])('%j: clean is %s', (pgmap, clean) => expect(isClean(JSON.stringify({ pgmap }))).toBe(clean));
});

describe('gateway', () => {
  const spec: GatewaySpec = {
    name: 'gw2', pool: 'rbd', group: 'g', nqn: 'nqn.x', serial: 'S', timers: scaleTimers(1), onFenced: 'end',
    namespaces: [{ nsid: 1, image: 'i1', uuid: '00000000-0000-4000-8000-000000000001', nguid: '0'.repeat(32), anaGroup: 1 }],
  };
  const entities = new Map([['client.nvmeof.gw2', { name: 'client.nvmeof.gw2', secret: newSecret(2), caps: {} }]]);
  it('listens on both fabrics, and shows its key only where keys are asked for', () => {
    const config = gatewayConfig(spec, { auth: 'cephx', monHosts: ['192.0.2.11:3300'], entities });
    expect(config.listeners).toEqual([{ host: '192.0.2.102', port: 4420 }, { host: '198.51.100.102', port: 4420 }]);
    expect(JSON.parse(gatewayConfigText(config))).toMatchObject({ auth: { kind: 'cephx', entity: 'client.nvmeof.gw2' }, monHosts: ['192.0.2.11:3300'] });
    expect(gatewayConfig(spec, { auth: 'none', monHosts: ['m:1'], entities }).auth).toEqual({ kind: 'none' });
  });
  it('is nobody without an entity', () => expect(() => gatewayConfig({ ...spec, name: 'gw3' }, { auth: 'none', monHosts: ['m:1'], entities })).toThrow('no key for gw3'));
  it.each([['nqn', 'x'], ['monHosts', ['192.0.2.11']], ['listeners', []], ['namespaces', [{ ...spec.namespaces[0]!, uuid: '1' }]], ['namespaces', [{ ...spec.namespaces[0]!, image: 'pool/image' }]]])('a config whose %s is %j is refused where it is made', (field, value) => {
    const config = gatewayConfig(spec, { auth: 'none', monHosts: ['192.0.2.11:3300'], entities });
    expect(() => gatewayConfigText(config)).not.toThrow();
    expect(() => gatewayConfigText({ ...config, [field]: value })).toThrow(field);
  });
});

it('the host connects every gateway on every fabric', () => {
  const script = connectScript({ nqn: 'nqn.x', hostNqn: 'nqn.h', hostId: 'ID', gateways: ['gw1', 'gw2'], fabrics: ['a', 'b'], keepAliveSeconds: 5, reconnectDelaySeconds: 2, controllerLossSeconds: 60, policy: 'numa' });
  expect(script.match(/nvme connect/g)).toHaveLength(4);
  expect(script).toContain("-a 198.51.100.102 -s 4420 -n 'nqn.x' --hostnqn 'nqn.h' --hostid ID -k 5 -c 2 -l 60");
});
