import { describe, expect, it } from 'vitest';
import { gatewayIdOf, parseOrchPs } from './orch-ps.js';

describe('orch ps', () => {
  it('reads daemons, also those that were not looked at yet', () => {
    const text = JSON.stringify([
      { daemon_type: 'nvmeof', daemon_id: 'rbd.g1.gw1.chexwt', hostname: 'gw1', status: 1, status_desc: 'running', container_id: 'abc' },
      { daemon_type: 'nvmeof', daemon_id: 'rbd.g1.gw2.aaaaaa', hostname: 'gw2' },
    ]);
    expect(parseOrchPs(text)).toEqual([
      { name: 'nvmeof.rbd.g1.gw1.chexwt', host: 'gw1', containerId: 'abc', status: 1, statusText: 'running' },
      { name: 'nvmeof.rbd.g1.gw2.aaaaaa', host: 'gw2', containerId: undefined, status: undefined, statusText: 'unknown' },
    ]);
    expect(gatewayIdOf('nvmeof.rbd.g1.gw1.chexwt')).toBe('client.nvmeof.rbd.g1.gw1.chexwt');
  });

  it('refuses what is no list of daemons', () => {
    expect(() => parseOrchPs('{}')).toThrow();
  });
});
