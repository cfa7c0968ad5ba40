import { describe, expect, it } from 'vitest';
import { scaleTimers } from '../../plan/timers.js';
import { gatewayConfigText, type GuestGatewayConfig } from './gateway-config.js';

const namespace = { nsid: 1, image: 'img1', uuid: '00000000-0000-4000-8000-000000000001', nguid: '0123456789abcdef0123456789abcdef', anaGroup: 1 };
const config: GuestGatewayConfig = {
  name: 'gw2', pool: 'rbd', group: 'g', nqn: 'nqn.2026-01.io.pathproof:lab', serial: 'PP1', namespaces: [namespace], timers: scaleTimers(1), onFenced: 'end',
  monHosts: ['192.0.2.11:3300'], auth: { kind: 'cephx', entity: 'client.nvmeof.gw2', secret: 'AgAA' }, listeners: [{ host: '192.0.2.102', port: 4420 }],
};

describe('the config of a guest gateway', () => {
  it('goes through as it is', () => expect(JSON.parse(gatewayConfigText(config))).toEqual(config));
  it.each([
    ['nqn', 'x'], ['monHosts', ['192.0.2.11']], ['monHosts', []], ['listeners', []], ['listeners', [{ host: 'x', port: 0 }]], ['serial', ''], ['onFenced', 'wait'],
    ['namespaces', [{ ...namespace, uuid: '1' }]], ['namespaces', [{ ...namespace, nguid: '1' }]], ['namespaces', [{ ...namespace, image: 'pool/image' }]],
    ['auth', { kind: 'cephx', entity: 'nvmeof.gw2', secret: 'AgAA' }], ['timers', {}], ['more', 1],
  ])('is refused where it is made if %s is %j', (field, value) => {
    expect(() => gatewayConfigText({ ...config, [field]: value })).toThrow(field);
  });
});
