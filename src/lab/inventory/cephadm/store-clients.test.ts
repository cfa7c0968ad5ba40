import { afterEach, describe, expect, it } from 'vitest';
import { ipOf, parseWatchers, StoreClients, type ImageClient } from './store-clients.js';

const line = (image: string, ...addresses: string[]): string => `${image} ${JSON.stringify({ watchers: addresses.map((address) => ({ address, client: 4_242, cookie: 1 })) })}`;

describe('clients of the store', () => {
  let clients: StoreClients | undefined;
  afterEach(() => clients?.stop());

  it('are the watchers of images', () => {
    expect(parseWatchers(`${line('a', '192.0.2.101:0/17', '192.0.2.102:0/18')}\n${line('b')}\nc \n`)).toEqual([{ image: 'a', address: '192.0.2.101:0/17' }, { image: 'a', address: '192.0.2.102:0/18' }]);
    expect(ipOf('192.0.2.101:0/17')).toBe('192.0.2.101');
    expect(ipOf('[2001:db8::1]:0/17')).toBe('2001:db8::1');
  });

  function watch(answers: string[]): { seen: [string, ImageClient][]; errors: string[]; asked: () => number } {
    const seen: [string, ImageClient][] = [];
    const errors: string[] = [];
    let asked = 0;
    clients = new StoreClients({
      look: () => Promise.resolve(answers[Math.min(asked++, answers.length - 1)]!), images: ['a', 'b'],
      gatewayAt: (ip) => ({ '192.0.2.101': 'gw1', '192.0.2.102': 'gw2' })[ip], onClient: (gateway, client) => void seen.push([gateway, client]), onError: (message) => void errors.push(message),
    });
    return { seen, errors, asked: () => asked };
  }

  it('are looked for until each image has a new one, and belong to the gateway at whose address they are', async () => {
    const dead = ['192.0.2.101:0/1', '192.0.2.102:0/2'];
    const { seen, asked } = watch([
      [line('a', ...dead), line('b', ...dead)].join('\n'),
      // The watch of the dead client is still there.
      [line('a', ...dead), line('b', ...dead)].join('\n'),
      [line('a', '192.0.2.101:0/3', ...dead), line('b', ...dead, '198.51.100.7:0/9')].join('\n'),
      [line('a', '192.0.2.101:0/3'), line('b', '192.0.2.101:0/4')].join('\n'),
    ]);
    clients!.expect('gw1');
    clients!.expect('gw2');
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(4);
    expect(asked()).toBe(1);
    clients!.expect('gw1');
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(6);
    expect(seen.slice(4)).toEqual([['gw1', { image: 'a', address: '192.0.2.101:0/3' }], ['gw1', { image: 'b', address: '192.0.2.101:0/4' }]]);
    expect(asked()).toBe(4);
  });

  it('go on being looked for when a look has failed', async () => {
    const { seen, errors } = watch(['a {broken', 'a {"watchers": "none"}', [line('a', '192.0.2.101:0/1'), line('b', '192.0.2.101:0/2')].join('\n')]);
    clients!.expect('gw1');
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(2);
    expect(errors.length).toBeGreaterThan(0);
  });
});
