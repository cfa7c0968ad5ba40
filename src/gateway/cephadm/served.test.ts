import { describe, expect, it } from 'vitest';
import { productionTimers } from '../../plan/timers.js';
import { parseServed, readServed, servedListeners, servedNamespaces, servedTimers, type ServedConfig } from './served.js';

const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
const config: ServedConfig = {
  nqn: 'nqn.2026-01.io.pathproof:lab', serial: 'PP1',
  namespaces: [{ nsid: 1, uuid: uuid(1), image: 'img1', anaGroup: 1 }, { nsid: 2, uuid: uuid(2), nguid: '0123456789abcdef0123456789abcdef', image: 'img2', anaGroup: 2, blockSize: 4_096 }],
};
const parse = (more: Record<string, unknown> = {}): ReturnType<typeof parseServed> => parseServed(JSON.stringify({ ...config, ...more }), 'f.json');

describe('what the gateways of a group serve', () => {
  it('has defaults for all that need not be said', () => {
    const served = parse();
    expect(served).toMatchObject({ port: 4_420, onFenced: 'end', digests: { header: true, data: true } });
    expect(served.hosts).toBeUndefined();
    expect(served.namespaces.map(({ blockSize }) => blockSize)).toEqual([512, 4_096]);
    expect(servedNamespaces(served)).toEqual([
      { nsid: 1, uuid: uuid(1), nguid: '00000000000040008000000000000001', image: 'img1', anaGroup: 1 },
      { nsid: 2, uuid: uuid(2), nguid: '0123456789abcdef0123456789abcdef', image: 'img2', anaGroup: 2 },
    ]);
    expect(servedTimers(served)).toEqual(productionTimers);
  });

  it('has what differs from host to host', () => {
    const served = parse({ nodes: { h2: { name: 'gw1', addresses: ['10.78.0.2', '10.77.0.2'] } }, port: 4_421, timers: { disconnectPanicMs: 20_000 } });
    expect(servedListeners(served, 'h2', '10.77.0.2')).toEqual([{ host: '10.77.0.2', port: 4_421 }, { host: '10.78.0.2', port: 4_421 }]);
    expect(servedListeners(served, 'h3', '10.77.0.3')).toEqual([{ host: '10.77.0.3', port: 4_421 }]);
    expect(servedTimers(served)).toEqual({ ...productionTimers, disconnectPanicMs: 20_000 });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ nqn: 'lab' }, 'f.json: nqn: an NVMe qualified name'],
    [{ serial: 'more than twenty characters' }, 'serial: '],
    [{ namespaces: [] }, 'namespaces: '],
    [{ namespaces: [{ ...config.namespaces[0], uuid: 'x' }] }, 'namespaces[0].uuid: '],
    [{ namespaces: [{ ...config.namespaces[0], image: 'rbd/img1' }] }, 'namespaces[0].image: the name of an image, without pool and snapshot'],
    [{ namespaces: [config.namespaces[0], { ...config.namespaces[1], nsid: 1 }] }, 'namespaces[1].nsid: namespaces[0] has the same nsid'],
    [{ namespaces: [config.namespaces[0], { ...config.namespaces[1], image: 'img1' }] }, 'namespaces[1].image: namespaces[0] has the same image'],
    [{ nodes: { h2: { addresses: ['h2'] } } }, 'nodes.h2.addresses[0]: an IP address'],
    [{ timers: { beaconMs: 0 } }, 'timers.beaconMs: '],
    [{ more: 1 }, 'more'],
  ])('is refused with the place of the problem: %j', (more, why) => expect(() => parse(more)).toThrow(why));

  it('names the line of a syntax error', () => {
    expect(() => parseServed('{\n "nqn": "x",\n "serial" 1 }', 'f.json')).toThrow(/^f\.json:3: /);
    expect(() => parseServed('{\n "nqn": "x",\n', 'f.json')).toThrow(/^f\.json:3: /);
  });

  it('says how the file comes into the container when it is not there', () => {
    expect(() => readServed('/nonexistent/subsystem.json')).toThrow(expect.objectContaining({ code: 'SERVED_CONFIG', hint: expect.stringContaining('extra_container_args') as unknown }));
  });
});
