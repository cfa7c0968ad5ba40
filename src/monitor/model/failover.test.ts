import { describe, expect, it } from 'vitest';
import type { Beacon } from '../client.js';
import { group, pool, Simulation } from '../testing/simulation.js';

/** Gateways `ids` created, started at time 0 and settled: each ACTIVE in its own group. Ends at 4 s, one second before the first tick. */
function settled(...ids: string[]): Simulation {
  const sim = new Simulation();
  sim.create(...ids);
  sim.start(...ids);
  sim.runUntil(4_000);
  return sim;
}

function blocklists(sim: Simulation): string[][] {
  return sim.effects.flatMap((effect) => (effect.kind === 'blocklist' ? [effect.addresses] : []));
}

describe('becoming AVAILABLE', () => {
  it('makes a gateway ACTIVE in its own group when nobody holds it', () => {
    const sim = settled('gw1', 'gw2');
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
    expect(sim.states('gw2')).toEqual({ 1: 'STANDBY', 2: 'ACTIVE' });
    expect([...sim.agent('gw1').optimized]).toEqual([1]);
  });

  it('takes two beacons: CREATED, then AVAILABLE with a listener', () => {
    const sim = new Simulation();
    sim.create('gw1');
    sim.start('gw1');
    sim.runUntil(999);
    expect(sim.availability('gw1')).toBe('CREATED');
    sim.runUntil(1_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
  });

  it('does not happen without a listener, and namespaces are not needed', () => {
    const sim = new Simulation();
    sim.create('gw1');
    sim.agent('gw1').listening = false;
    sim.agent('gw1').namespaceGroups = [];
    sim.start('gw1');
    sim.runUntil(4_000);
    expect(sim.availability('gw1')).toBe('CREATED');
    sim.agent('gw1').listening = true;
    sim.runUntil(5_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE' });
  });

  it('hands the group of a gateway that never started to an AVAILABLE one at the tick, without a blocklist', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1');
    sim.runUntil(4_999);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
    sim.runUntil(5_000);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE' });
    expect(blocklists(sim)).toEqual([]);
  });
});

describe('beacon grace', () => {
  it('is checked at every beacon of anybody, and ends only when it is exceeded', () => {
    const sim = settled('gw1', 'gw2');
    sim.kill('gw1'); // its last beacon came at 4.0 s
    sim.runUntil(11_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    sim.runUntil(11_999);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    sim.runUntil(12_000); // gw2's beacon finds it
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
    expect(sim.states('gw1')).toEqual({ 1: 'STANDBY', 2: 'STANDBY' });
  });

  it('is checked at the tick when nobody beacons', () => {
    const sim = settled('gw1');
    sim.kill('gw1');
    sim.runUntil(14_999);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    sim.runUntil(15_000);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
  });

  it('starts anew for everybody when the monitor itself was late by more than two ticks', () => {
    const sim = settled('gw1', 'gw2');
    const { model } = sim;
    // The last look was at 4 s. Exactly two periods later is not late: both are found silent.
    expect(model.tick(14_001).some(({ kind }) => kind === 'commit')).toBe(false);
    expect(model.gateways(pool, group).map(({ availability }) => availability)).toEqual(['AVAILABLE', 'AVAILABLE']);
    model.tick(14_001 + 7_000);
    expect(model.gateways(pool, group).map(({ availability }) => availability)).toEqual(['AVAILABLE', 'AVAILABLE']);
    model.tick(14_001 + 7_001);
    expect(model.gateways(pool, group).map(({ availability }) => availability)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
  });

  it('is not forgiven at exactly two periods', () => {
    const sim = settled('gw1');
    sim.model.tick(14_000);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
  });

  it('does not end for a gateway that beacons, however long', () => {
    const sim = settled('gw1', 'gw2');
    sim.runUntil(600_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    expect(sim.agent('gw1').incarnation).toBe(1);
  });
});

describe('takeover of a dead gateway', () => {
  it('blocklists every nonce of every group before the taker is told to serve, and is over when the taker reports the epoch', () => {
    const sim = settled('gw1', 'gw2');
    const nonce = sim.agent('gw1').nonce;
    sim.storeStalled = true;
    sim.kill('gw1');
    sim.runUntil(12_000);
    expect(blocklists(sim)).toEqual([[nonce]]);
    expect(sim.states('gw2')).toEqual({ 1: 'WAIT_BLOCKLIST_CMPL', 2: 'ACTIVE' });
    // The store has not executed it yet: not exported.
    sim.runUntil(20_000);
    expect(sim.model.optimizedAt(pool, group).get(1)).toBeUndefined();
    expect(sim.agent('gw2').optimized.has(1)).toBe(false);

    sim.resumeStore();
    sim.runUntil(20_000);
    expect(sim.model.optimizedAt(pool, group).get(1)).toEqual(['gw2']);
    expect(sim.agent('gw2').maps.at(-1)!.entry!.subsystems[0]!.ana[0]).toEqual({ state: 'OPTIMIZED', osdEpoch: 2 });
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    sim.runUntil(21_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    expect(sim.agent('gw2').maps.at(-1)!.entry!.subsystems[0]!.ana[0]).toEqual({ state: 'OPTIMIZED', osdEpoch: 0 });
  });

  it('lists each nonce once, of all subsystems and all groups', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw2');
    const beacon = (availability: Beacon['availability']): Beacon => ({
      gwId: 'gw1', pool, group, availability, lastOsdEpoch: 0, lastGwmapEpoch: 0,
      subsystems: availability === 'CREATED' ? [] : ['nqn.a', 'nqn.b'].map((nqn, i) => ({
        nqn,
        listeners: [{ adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '4420' }],
        namespaces: [{ anaGroup: 1, nonce: '10.0.0.9:0/1' }, { anaGroup: 2, nonce: `[fe80::1]:0/${i}` }, { anaGroup: 2, nonce: 'v2:10.0.0.9:0/2' }],
      })),
    });
    sim.input(() => sim.model.beacon(0, 'me', beacon('CREATED')));
    sim.input(() => sim.model.beacon(1, 'me', beacon('AVAILABLE')));
    sim.runUntil(9_000);
    expect(blocklists(sim)).toEqual([['10.0.0.9:0/1', '[fe80::1]:0/0', 'v2:10.0.0.9:0/2', '[fe80::1]:0/1']]);
  });

  it('needs an epoch at least as new as the blocklist', () => {
    const sim = settled('gw1', 'gw2');
    sim.storeStalled = true;
    sim.kill('gw1');
    sim.runUntil(12_100);
    const token = sim.effects.flatMap((effect) => (effect.kind === 'blocklist' ? [effect.token] : []))[0]!;
    sim.model.blocklistDone(12_100, token, 40);
    const beacon = (lastOsdEpoch: number): Beacon => ({ ...sim.agent('gw2').beacon(), lastOsdEpoch });
    sim.model.beacon(12_200, sim.agent('gw2').address, beacon(39));
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    sim.model.beacon(12_300, sim.agent('gw2').address, beacon(40));
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
  });

  it('declares the taker itself down when it has not reported the epoch after the blocklist wait', () => {
    const sim = settled('gw1', 'gw2');
    sim.storeStalled = true;
    sim.kill('gw1');
    sim.runUntil(12_000); // takeover decided here
    sim.runUntil(41_999);
    expect(sim.availability('gw2')).toBe('AVAILABLE');
    sim.runUntil(42_000);
    expect(sim.availability('gw2')).toBe('UNAVAILABLE');
    expect(sim.states('gw2')).toEqual({ 1: 'STANDBY', 2: 'STANDBY' });
    expect(sim.agent('gw2').maps.at(-1)!.entry).toBeUndefined();
  });

  it.each([
    ['there are no namespaces', []],
    ['one nonce is no address', ['10.0.0.1:0/1', 'nonsense']],
    ['one nonce does not fit 32 bits', ['10.0.0.1:0/4294967296']],
  ])('is immediate, without a blocklist, when %s', (_, nonces) => {
    const sim = settled('gw2', 'gw3');
    const { model } = sim;
    sim.create('gw4');
    const beacon = (availability: Beacon['availability']): Beacon => ({
      gwId: 'gw4', pool, group, availability, lastOsdEpoch: 0, lastGwmapEpoch: 0,
      subsystems: availability === 'CREATED' ? [] : [{
        nqn: 'nqn.x', listeners: [{ adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '1' }],
        namespaces: nonces.map((nonce) => ({ anaGroup: 3, nonce })),
      }],
    });
    sim.input(() => model.beacon(4_000, 'x', beacon('CREATED')));
    sim.input(() => model.beacon(4_000, 'x', beacon('AVAILABLE')));
    sim.runUntil(11_999);
    expect(sim.states('gw2')[3]).toBe('STANDBY');
    sim.runUntil(12_000);
    expect(sim.states('gw2')[3]).toBe('ACTIVE');
    expect(blocklists(sim)).toEqual([]);
  });

  it('takes a second group of the same dead gateway without waiting for the epoch, once the store has executed the blocklist', () => {
    const sim = settled('gw1', 'gw2', 'gw3');
    sim.kill('gw1');
    sim.runUntil(14_000); // gw1's group is ACTIVE at gw2 now
    expect(sim.states('gw2')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE', 3: 'STANDBY' });
    sim.kill('gw2'); // last beacon at 14 s
    sim.runUntil(22_000);
    // One candidate: it is busy with the first group, the second has to wait for the tick.
    expect(sim.states('gw3')).toEqual({ 1: 'WAIT_BLOCKLIST_CMPL', 2: 'STANDBY', 3: 'ACTIVE' });
    sim.runUntil(24_999);
    expect(sim.states('gw3')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY', 3: 'ACTIVE' });
    sim.runUntil(25_000);
    expect(sim.states('gw3')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE', 3: 'ACTIVE' });
    expect(blocklists(sim)).toHaveLength(2);
  });

  it('lets nobody serve the second group while the blocklist that guards it is still on its way', () => {
    const sim = settled('gw1', 'gw2', 'gw3', 'gw4');
    sim.kill('gw1');
    sim.runUntil(14_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    sim.storeStalled = true;
    sim.kill('gw2');
    sim.runUntil(22_000);
    // Two candidates: both groups are taken at once, with one blocklist.
    expect(sim.states('gw3')).toMatchObject({ 1: 'WAIT_BLOCKLIST_CMPL', 2: 'STANDBY' });
    expect(sim.states('gw4')).toMatchObject({ 1: 'STANDBY', 2: 'WAIT_BLOCKLIST_CMPL' });
    expect(sim.model.optimizedAt(pool, group)).toEqual(new Map([[3, ['gw3']], [4, ['gw4']]]));
    sim.resumeStore();
    sim.runUntil(22_000);
    expect(sim.states('gw4')[2]).toBe('ACTIVE');
    expect(sim.states('gw3')[1]).toBe('WAIT_BLOCKLIST_CMPL');
  });

  it('blocklists the last holder of a group also when the takeover is decided for its owner', () => {
    const sim = settled('gw1', 'gw2', 'gw3');
    sim.kill('gw1');
    sim.runUntil(14_000);
    sim.storeStalled = true;
    const held = sim.agent('gw2').nonce;
    sim.kill('gw2');
    // gw3 must not take anything over at gw2's death: a fast reboot suppresses it (until 22.9 s: 7 s after its refused beacon).
    sim.runUntil(14_900);
    sim.kill('gw3');
    sim.start('gw3');
    sim.runUntil(24_999);
    expect(sim.availability('gw2')).toBe('UNAVAILABLE');
    expect(sim.states('gw3')).toEqual({ 1: 'STANDBY', 2: 'STANDBY', 3: 'ACTIVE' });
    sim.runUntil(25_000); // gw1 comes first by id: its group was held by gw2
    expect(sim.states('gw3')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(blocklists(sim).at(-1)).toEqual([held]);
  });
});

describe('choice of the taker', () => {
  it('prefers the gateway with the fewest ACTIVE groups, then the first by id', () => {
    const sim = settled('gw1', 'gw2', 'gw3', 'gw4');
    sim.kill('gw1');
    sim.runUntil(14_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    sim.kill('gw4'); // gw2 has two groups, gw3 one
    sim.runUntil(25_000);
    expect(sim.states('gw3')[4]).toBe('ACTIVE');
  });

  it('prefers the failed gateway\'s own location', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2', 'gw3');
    for (const id of ['gw1', 'gw3']) sim.model.setLocation(0, pool, group, id, 'east');
    sim.start('gw1', 'gw2', 'gw3');
    sim.runUntil(4_000);
    sim.kill('gw1');
    sim.runUntil(14_000);
    expect(sim.states('gw3')[1]).toBe('ACTIVE');
    sim.kill('gw3'); // nobody is left in the east
    sim.runUntil(30_000);
    expect(sim.states('gw2')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE', 3: 'ACTIVE' });
  });

  it('leaves out a gateway in a transition, even for another location\'s', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2', 'gw3', 'gw4');
    for (const id of ['gw1', 'gw2', 'gw3']) sim.model.setLocation(0, pool, group, id, 'east');
    sim.start('gw1', 'gw2', 'gw3', 'gw4');
    sim.runUntil(4_000);
    sim.storeStalled = true;
    sim.kill('gw2');
    sim.runUntil(5_000);
    sim.kill('gw3');
    sim.runUntil(13_000);
    // gw1 waits for gw2's blocklist; gw3's group waits for gw1 rather than go to gw4's location.
    expect(sim.states('gw1')[2]).toBe('WAIT_BLOCKLIST_CMPL');
    sim.runUntil(24_500);
    expect(sim.states('gw1')[3]).toBe('STANDBY');
    expect(sim.states('gw4')[3]).toBe('STANDBY');
    sim.resumeStore();
    sim.runUntil(30_900);
    expect(sim.states('gw1')).toMatchObject({ 2: 'ACTIVE', 3: 'WAIT_BLOCKLIST_CMPL' });
  });
});

it('a second takeover of a group does not start while one is under way', () => {
  const sim = settled('gw1', 'gw2', 'gw3');
  sim.storeStalled = true;
  sim.kill('gw1');
  sim.runUntil(40_000);
  expect(['gw2', 'gw3'].map((id) => sim.states(id)[1])).toEqual(['WAIT_BLOCKLIST_CMPL', 'STANDBY']);
  expect(blocklists(sim)).toHaveLength(1);
});

describe('a gateway that lost all listeners', () => {
  it('is CREATED and STANDBY, and its group is taken over at the next tick without a blocklist', () => {
    const sim = settled('gw1', 'gw2');
    sim.runUntil(5_500);
    sim.agent('gw1').listening = false;
    sim.runUntil(6_000);
    expect(sim.availability('gw1')).toBe('CREATED');
    expect(sim.states('gw1')).toEqual({ 1: 'STANDBY', 2: 'STANDBY' });
    expect([...sim.agent('gw1').optimized]).toEqual([]);
    sim.runUntil(9_999);
    expect(sim.states('gw2')[1]).toBe('STANDBY');
    sim.runUntil(10_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    expect(blocklists(sim)).toEqual([]);
    expect(sim.agent('gw1').incarnation).toBe(1);
  });

  it('counts only when no subsystem has a listener', () => {
    const sim = settled('gw1', 'gw2');
    const beacon = sim.agent('gw1').beacon();
    const subsystems = [...beacon.subsystems, { nqn: 'nqn.other', listeners: [], namespaces: [] }];
    sim.model.beacon(4_100, sim.agent('gw1').address, { ...beacon, subsystems });
    expect(sim.availability('gw1')).toBe('AVAILABLE');
  });
});

describe('UNAVAILABLE', () => {
  it('is immediate when the gateway says so itself', () => {
    const sim = settled('gw1', 'gw2');
    sim.agent('gw1').healthy = false;
    sim.runUntil(5_000);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(blocklists(sim)).toHaveLength(1);
  });

  it('with an emptied list passes for CREATED: the group is handed over at the next tick without a blocklist, as in Ceph', () => {
    const sim = settled('gw1', 'gw2');
    const dying = sim.agent('gw1');
    sim.input(() => sim.model.beacon(4_100, dying.address, { ...dying.beacon(), availability: 'UNAVAILABLE', subsystems: [] }));
    sim.kill('gw1');
    expect(sim.availability('gw1')).toBe('CREATED');
    sim.runUntil(5_000);
    expect(sim.states('gw2')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE' });
    expect(blocklists(sim)).toEqual([]);
  });

  it('with any other change of its list passes for AVAILABLE once, as in Ceph', () => {
    const sim = settled('gw1', 'gw2');
    const dying = sim.agent('gw1');
    const subsystems = dying.beacon().subsystems.map((subsystem) => ({ ...subsystem, namespaces: [] }));
    sim.input(() => sim.model.beacon(4_100, dying.address, { ...dying.beacon(), availability: 'UNAVAILABLE', subsystems }));
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    sim.input(() => sim.model.beacon(4_200, dying.address, { ...dying.beacon(), availability: 'UNAVAILABLE', subsystems }));
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
  });

  it('answers every AVAILABLE beacon with the empty map until the gateway has restarted', () => {
    const sim = settled('gw1', 'gw2');
    sim.partition('gw1');
    sim.runUntil(13_000);
    const { address } = sim.agent('gw1');
    const beacon = sim.agent('gw1').beacon();
    for (const nowMs of [13_100, 13_200]) {
      expect(sim.model.beacon(nowMs, address, beacon)).toEqual([
        { kind: 'map', address, map: { epoch: sim.model.gwEpoch(pool, group), entry: undefined } },
      ]);
    }
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
  });
});
