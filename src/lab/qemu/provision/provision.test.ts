import { describe, expect, it } from 'vitest';
import { addressOf, hostNumber, macOf } from '../network.js';
import { cephConfig, isClean, type CephSpec } from './ceph.js';
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

it('the host connects every gateway on every fabric', () => {
  const script = connectScript({ nqn: 'nqn.x', hostNqn: 'nqn.h', hostId: 'ID', gateways: ['gw1', 'gw2'], fabrics: ['a', 'b'], keepAliveSeconds: 5, reconnectDelaySeconds: 2, controllerLossSeconds: 60, policy: 'numa' });
  expect(script.match(/nvme connect/g)).toHaveLength(4);
  expect(script).toContain("-a 198.51.100.102 -s 4420 -n 'nqn.x' --hostnqn 'nqn.h' --hostid ID -k 5 -c 2 -l 60");
});
