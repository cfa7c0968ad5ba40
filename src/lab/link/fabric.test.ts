import { afterEach, describe, expect, it } from 'vitest';
import { LinkFabric } from './fabric.js';
import { seededRandom } from './random.js';
import { Valve } from './valve.js';

const fabrics: LinkFabric[] = [];
afterEach(() => Promise.all(fabrics.splice(0).map((fabric) => fabric.close())));
const open = (): LinkFabric => {
  const fabric = new LinkFabric('seed');
  fabrics.push(fabric);
  return fabric;
};
const target = { host: '127.0.0.1', port: 1 };

describe('LinkFabric', () => {
  it('gives each link a port of its own, and heals them all at once', async () => {
    const fabric = open();
    const ports = [await fabric.addLink('host1-gw1', target), await fabric.addLink('gw1-store', target)].map(({ port }) => port);
    expect(new Set(ports).size).toBe(2);
    fabric.cut('host1-gw1', 'drop', 'forward');
    fabric.cut('gw1-store', 'reset');
    fabric.delay('gw1-store', 5);
    expect(fabric.stats().map(({ name, cut }) => [name, cut?.mode, cut?.direction])).toEqual([
      ['host1-gw1', 'drop', 'forward'], ['gw1-store', 'reset', 'both'],
    ]);
    fabric.heal();
    expect(fabric.stats().map(({ cut, delayMs }) => [cut, delayMs.forward])).toEqual([[null, 0], [null, 0]]);
    await fabric.removeLink('gw1-store');
    expect(fabric.stats().map(({ name }) => name)).toEqual(['host1-gw1']);
  });

  it('refuses unknown names, double names and impossible numbers', async () => {
    const fabric = open();
    await fabric.addLink('a', target);
    await expect(fabric.addLink('a', target)).rejects.toMatchObject({ code: 'LINK_EXISTS' });
    expect(() => fabric.cut('b', 'drop')).toThrow(expect.objectContaining({ code: 'LINK_UNKNOWN', message: expect.stringContaining('there are: a') as string }));
    expect(() => fabric.delay('a', -1)).toThrow(expect.objectContaining({ code: 'LINK_BAD_OPTION' }));
    expect(() => fabric.delay('a', 0, 60_001)).toThrow(expect.objectContaining({ code: 'LINK_BAD_OPTION' }));
    expect(() => fabric.flap('a', { mode: 'drop', downMs: 0, upMs: 5 })).toThrow(expect.objectContaining({ code: 'LINK_BAD_OPTION' }));
    expect(fabric.stats()[0]).toMatchObject({ cut: null, flapping: false });
  });
});

describe('jitter', () => {
  const delays = (seed: string): number[] => {
    const valve = new Valve(seededRandom(seed));
    valve.delayUs = 1_000;
    valve.jitterUs = 500;
    return Array.from({ length: 50 }, () => valve.nextDelayUs());
  };
  it('comes from the seed and stays in its range', () => {
    expect(delays('7/a/forward')).toEqual(delays('7/a/forward'));
    expect(delays('7/a/forward')).not.toEqual(delays('8/a/forward'));
    expect(delays('x').every((us) => us >= 1_000 && us < 1_500)).toBe(true);
    expect(new Set(delays('x')).size).toBeGreaterThan(30);
  });
});
