import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../../history/events.js';
import { sleep } from '../../../util/clock.js';
import { parseBlocklist, parseOsdEpoch, StoreWatch } from './store-watch.js';

type StoreState = Extract<EventBody, { type: 'store.state' }>;

describe('the OSD map', () => {
  it('parses both forms of the blocklist, and refuses what is none', () => {
    expect(parseBlocklist('[{"addr":"192.0.2.101:0/5","until":"x"}][]')).toEqual(['192.0.2.101:0/5']);
    expect(parseBlocklist('\n[]\n')).toEqual([]);
    expect(() => parseBlocklist('listed 0 entries')).toThrow(/no list/);
    expect(parseOsdEpoch('{"epoch":17,"num_osds":1}')).toBe(17);
    expect(() => parseOsdEpoch('{}')).toThrow(/no epoch/);
  });

  it('is told when it changes, with whose clients are fenced, earlier incarnations included', async () => {
    const events: StoreState[] = [];
    let blocklist = '[][]';
    const watch = new StoreWatch({
      blocklist: () => Promise.resolve(blocklist), osdStat: () => Promise.resolve('{"epoch":3}'), periodMs: 5, onError: () => undefined, emit: (event) => events.push(event as StoreState),
    });
    watch.addClient('a:0/1', 'gw1');
    await sleep(30);
    blocklist = '[{"addr":"a:0/1"}][]';
    watch.addClient('a:0/2', 'gw1');
    await sleep(30);
    await watch.stop();
    expect(events.at(-1)).toEqual({ type: 'store.state', epoch: 3, blocklist: ['a:0/1'], clients: [{ address: 'a:0/1', name: 'gw1', fenced: true }, { address: 'a:0/2', name: 'gw1', fenced: false }] });
    expect(events.length).toBeLessThan(6);
  });

  it('is told with the ANA groups of clients that are for some images only', async () => {
    const events: StoreState[] = [];
    const watch = new StoreWatch({ blocklist: () => Promise.resolve('[]'), osdStat: () => Promise.resolve('{"epoch":3}'), periodMs: 5, onError: () => undefined, emit: (event) => events.push(event as StoreState) });
    watch.addClient('a:0/1', 'gw1', 2);
    watch.addClient('a:0/1', 'gw1', 1);
    watch.addClient('a:0/2', 'gw1');
    await sleep(30);
    await watch.stop();
    expect(events.at(-1)!.clients).toEqual([{ address: 'a:0/1', name: 'gw1', fenced: false, anaGroups: [1, 2] }, { address: 'a:0/2', name: 'gw1', fenced: false }]);
  });

  it('says once that it cannot look, and goes on looking', async () => {
    const errors: string[] = [];
    const events: EventBody[] = [];
    let broken = true;
    const watch = new StoreWatch({
      blocklist: () => (broken ? Promise.reject(new Error('gone')) : Promise.resolve('[]')), osdStat: () => Promise.resolve('{"epoch":1}'), periodMs: 2, onError: (m) => errors.push(m), emit: (e) => events.push(e),
    });
    await sleep(30);
    broken = false;
    await sleep(30);
    await watch.stop();
    expect(errors).toEqual(['the OSD map cannot be read: gone']);
    expect(events.length).toBeGreaterThan(0);
  });
});
