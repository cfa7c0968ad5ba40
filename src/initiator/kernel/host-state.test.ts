import { describe, expect, it } from 'vitest';
import type { HostEventBody } from './host-state.js';
import { HostState } from './host-state.js';
import type { SampledChange } from './path-sampler.js';

const controller = (name: string, state: string, traddr = '192.0.2.1'): SampledChange => ({ kind: 'controller', controller: { name, traddr, trsvcid: '4420', cntlid: 7, state } });
const path = (name: string, anaState: string | undefined, more: { controller?: string; anaGroup?: number } = {}): SampledChange => ({
  kind: 'path', path: { name, controller: 'nvme0', nsUuid: 'uuid-1', nsid: 1, anaGroup: 1, anaState, ...more },
});
const words = (events: HostEventBody[]): string[] => events.map((event) => {
  switch (event.type) {
    case 'host.controller': return [event.controller, event.gateway, event.state, ...(event.cause === undefined ? [] : [`(${event.cause})`])].join(' ');
    case 'host.path': return [event.path, event.gateway, event.ana, event.controllerState, event.usable ? 'usable' : 'unusable', ...(event.cause === undefined ? [] : [`(${event.cause})`])].join(' ');
    case 'host.path-gone': return `${event.path} ${event.gateway} gone`;
  }
});

function state(causes: Record<string, string> = {}): HostState {
  return new HostState({ host: 'host1', gatewayOf: ({ traddr }) => (traddr === '192.0.2.1' ? 'gw1' : `${traddr}:4420`), causeOf: (name) => causes[name] });
}

describe('HostState', () => {
  it('tells a path’s whole state when it comes, and what of it changes', () => {
    const host = state();
    expect(words(host.apply([controller('nvme0', 'live'), path('nvme0c0n1', 'optimized')]))).toEqual(['nvme0 gw1 live', 'nvme0c0n1 gw1 optimized live usable']);
    expect(host.apply([])).toEqual([]);
    expect(words(host.apply([path('nvme0c0n1', 'inaccessible')]))).toEqual(['nvme0c0n1 gw1 inaccessible live unusable']);
    expect(host.apply([path('nvme0c0n1', 'inaccessible')])).toEqual([]);
    expect(host.apply([path('nvme0c0n1', 'inaccessible', { anaGroup: 2 })])).toMatchObject([{ anaGroup: 2 }]);
  });

  it('changes all paths of a controller with it, and says why if the log knows', () => {
    const causes: Record<string, string> = {};
    const host = state(causes);
    host.apply([controller('nvme0', 'live'), path('nvme0c0n1', 'optimized'), path('nvme0c0n2', 'inaccessible'), controller('nvme1', 'live', '192.0.2.2'), path('nvme0c1n1', 'optimized', { controller: 'nvme1' })]);
    causes['nvme0'] = 'starting error recovery';
    expect(words(host.apply([controller('nvme0', 'connecting')]))).toEqual([
      'nvme0 gw1 connecting (starting error recovery)', 'nvme0c0n1 gw1 optimized connecting unusable (starting error recovery)', 'nvme0c0n2 gw1 inaccessible connecting unusable (starting error recovery)',
    ]);
    expect(words(host.apply([controller('nvme0', 'live')]))).toEqual(['nvme0 gw1 live', 'nvme0c0n1 gw1 optimized live usable', 'nvme0c0n2 gw1 inaccessible live unusable']);
    expect(host.usableNamespaces()).toEqual(new Set(['uuid-1']));
  });

  it('buries a controller with its paths, whose gateway is still known', () => {
    const host = state();
    host.apply([controller('nvme0', 'live'), path('nvme0c0n1', 'optimized')]);
    const events = host.apply([{ kind: 'controller-gone', name: 'nvme0' }, { kind: 'path-gone', name: 'nvme0c0n1' }]);
    expect(words(events)).toEqual(['nvme0 gw1 dead (removed)', 'nvme0c0n1 gw1 gone']);
    expect(host.usableNamespaces().size).toBe(0);
    expect([host.everything(), host.apply([{ kind: 'path-gone', name: 'nvme0c0n1' }, { kind: 'controller-gone', name: 'nvme0' }])]).toEqual([[], []]);
  });

  it('has a name for states that it does not know, with the kernel’s text, and for addresses that nobody named', () => {
    const host = state();
    expect(words(host.apply([controller('nvme0', 'fencing', '192.0.2.9'), path('nvme0c0n1', undefined)]))).toEqual(['nvme0 192.0.2.9:4420 unknown (state "fencing")', 'nvme0c0n1 192.0.2.9:4420 unknown unknown unusable']);
    // Without ANA the kernel uses a path while its controller is live.
    expect(words(host.apply([controller('nvme0', 'live', '192.0.2.9')]))).toEqual(['nvme0 192.0.2.9:4420 live', 'nvme0c0n1 192.0.2.9:4420 unknown live usable']);
  });

  it('announces all that is there', () => {
    const host = state();
    host.apply([controller('nvme0', 'live'), path('nvme0c0n1', 'optimized'), path('nvme0c0n2', 'change')]);
    expect(words(host.everything())).toEqual(['nvme0 gw1 live', 'nvme0c0n1 gw1 optimized live usable', 'nvme0c0n2 gw1 change live unusable']);
  });
});
