import { describe, expect, it } from 'vitest';
import { beaconMs, group, pool, Simulation, type SimulationOptions } from '../testing/simulation.js';

/** gw1 died at 4 s, gw2 has been ACTIVE in both groups since 13 s, gw1 started again at `restartMs`. */
function returning(restartMs: number, options: SimulationOptions = {}): Simulation {
  const sim = new Simulation(options);
  sim.create('gw1', 'gw2');
  sim.start('gw1', 'gw2');
  sim.runUntil(4_000);
  sim.kill('gw1');
  sim.runUntil(restartMs);
  expect(sim.states('gw2')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE' });
  sim.start('gw1');
  return sim;
}

describe('failback', () => {
  it('shows both gateways INACCESSIBLE for the preparation time, then the owner ACTIVE', () => {
    const sim = returning(40_000);
    sim.runUntil(40_999);
    expect(sim.availability('gw1')).toBe('CREATED');
    sim.runUntil(41_000);
    expect(sim.states('gw1')[1]).toBe('OWNER_FAILBACK_PREPARED');
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    expect(sim.model.optimizedAt(pool, group).get(1)).toBeUndefined();
    expect(sim.agent('gw2').optimized.has(1)).toBe(false);
    sim.runUntil(43_999);
    expect(sim.states('gw1')[1]).toBe('OWNER_FAILBACK_PREPARED');
    sim.runUntil(44_000);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
    expect(sim.states('gw2')).toEqual({ 1: 'STANDBY', 2: 'ACTIVE' });
    // gw1 died, so its nonce was blocklisted; a failback blocklists nobody.
    expect(sim.effects.filter(({ kind }) => kind === 'blocklist')).toHaveLength(1);
  });

  it.each(['gw1', 'gw2'])('waits after the timer until %s has reported the epoch of the preparation', (slow) => {
    const sim = returning(40_000);
    sim.runUntil(40_500);
    // Its beacons keep it alive but carry the epoch of before the preparation.
    const agent = sim.agent(slow);
    const receive = agent.receive.bind(agent);
    sim.runUntil(40_999);
    agent.receive = (map) => receive({ ...map, epoch: agent.lastGwmapEpoch });
    sim.runUntil(52_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    expect(sim.model.optimizedAt(pool, group).get(1)).toBeUndefined();
    agent.receive = receive;
    agent.lastGwmapEpoch = sim.model.gwEpoch(pool, group)!;
    sim.runUntil(54_000);
    expect(sim.states('gw1')[1]).toBe('ACTIVE');
    expect(sim.states('gw2')[1]).toBe('STANDBY');
  });

  it('does not take an up-to-date beacon from before the preparation for an answer to it', () => {
    const sim = returning(40_000);
    sim.runUntil(41_100);
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    sim.partition('gw2'); // its last beacon, at 41.0 s, carried the epoch that was current then
    sim.runUntil(47_900);
    expect(sim.availability('gw2')).toBe('AVAILABLE');
    expect(sim.states('gw1')[1]).toBe('OWNER_FAILBACK_PREPARED');
  });

  it('leaves both STANDBY at the timer when the owner has died meanwhile, then hands over again with a blocklist', () => {
    const sim = returning(40_000, { timers: { failbackMs: 12_000 } });
    sim.runUntil(41_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    const second = sim.agent('gw1').nonce;
    sim.kill('gw1');
    sim.runUntil(49_000);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    sim.runUntil(53_000); // timer, at gw2's beacon
    expect(sim.states('gw1')[1]).toBe('STANDBY');
    expect(sim.states('gw2')[1]).toBe('STANDBY');
    sim.runUntil(55_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(sim.effects.flatMap((effect) => (effect.kind === 'blocklist' ? effect.addresses : []))).toContain(second);
    sim.runUntil(57_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
  });

  it('is rolled back when the holder dies, and the owner gets the group at a tick, once the holder is blocklisted', () => {
    const sim = returning(40_000);
    sim.runUntil(41_100);
    const holder = sim.agent('gw2').nonce;
    sim.partition('gw2'); // it may not have heard the preparation
    sim.storeStalled = true;
    sim.runUntil(49_000);
    expect(sim.availability('gw2')).toBe('UNAVAILABLE');
    expect(sim.states('gw1')[1]).toBe('STANDBY');
    sim.runUntil(50_000);
    expect(sim.states('gw1')).toEqual({ 1: 'WAIT_BLOCKLIST_CMPL', 2: 'WAIT_BLOCKLIST_CMPL' });
    expect(sim.model.optimizedAt(pool, group)).toEqual(new Map());
    sim.resumeStore();
    sim.runUntil(51_000);
    expect(sim.blocklisted.has(holder)).toBe(true);
    expect(sim.states('gw1')[1]).toBe('ACTIVE');
  });

  it('starts at a tick when the owner came back during a takeover', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1', 'gw2');
    sim.runUntil(4_000);
    sim.storeStalled = true;
    sim.kill('gw1');
    sim.runUntil(12_500);
    sim.start('gw1');
    sim.runUntil(14_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    expect(sim.states('gw1')[1]).toBe('STANDBY');
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    sim.resumeStore();
    sim.runUntil(14_999);
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    sim.runUntil(19_999);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    sim.runUntil(20_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_FAILBACK_PREPARED');
    sim.runUntil(24_000);
    expect(sim.states('gw1')[1]).toBe('ACTIVE');
  });

  it('may go on for several groups at once', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2', 'gw3');
    sim.start('gw1', 'gw2', 'gw3');
    sim.runUntil(4_000);
    sim.kill('gw1', 'gw2');
    sim.runUntil(60_000);
    expect(sim.states('gw3')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE', 3: 'ACTIVE' });
    sim.start('gw1', 'gw2');
    sim.runUntil(60_000 + beaconMs + 3_000 + 2 * beaconMs);
    expect(['gw1', 'gw2', 'gw3'].map((id) => sim.states(id)[sim.agent(id).own!.groupIndex + 1])).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  });
});

describe('fast reboot', () => {
  it('drops the gateway to CREATED and suppresses failovers of the whole group for the interval', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2', 'gw3');
    sim.start('gw1', 'gw2', 'gw3');
    sim.runUntil(4_000);
    sim.kill('gw1');
    // It stays in CREATED.
    for (let ms = 6_500; ms < 25_000; ms += 1_000) {
      sim.at(ms, () => sim.input(() => sim.model.beacon(ms, '127.0.0.1:0/99', { ...sim.agent('gw1').beacon(), availability: 'CREATED', subsystems: [] })));
    }
    sim.runUntil(6_500);
    expect(sim.availability('gw1')).toBe('CREATED');
    expect(sim.states('gw1')).toEqual({ 1: 'STANDBY', 2: 'STANDBY', 3: 'STANDBY' });
    sim.runUntil(7_000);
    sim.kill('gw2');
    // Suppressed until 22.5 s: neither gw1's nor gw2's group is taken over, though gw2 is UNAVAILABLE since 15 s.
    sim.runUntil(22_499);
    expect(sim.availability('gw2')).toBe('UNAVAILABLE');
    expect(sim.states('gw3')).toEqual({ 1: 'STANDBY', 2: 'STANDBY', 3: 'ACTIVE' });
    sim.runUntil(25_000);
    expect(sim.states('gw3')).toEqual({ 1: 'ACTIVE', 2: 'WAIT_BLOCKLIST_CMPL', 3: 'ACTIVE' });
  });

  it('gives the group back without failover or blocklist when the gateway is AVAILABLE again in time', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1', 'gw2');
    sim.runUntil(4_000);
    sim.kill('gw1');
    sim.runUntil(6_000);
    sim.start('gw1');
    // The monitor goes on to count the old incarnation's beacons, and refuses the new one's first.
    sim.runUntil(7_000);
    expect(sim.availability('gw1')).toBe('CREATED');
    sim.runUntil(8_000);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
    expect(sim.effects.some(({ kind }) => kind === 'blocklist')).toBe(false);
  });

  it('is suppressed for 7 s only once a beacon of the new incarnation was refused: the last caller wins', () => {
    const sim = new Simulation();
    sim.create('gw1', 'gw2');
    sim.start('gw1', 'gw2');
    sim.runUntil(4_000);
    sim.kill('gw1');
    sim.start('gw1'); // 16 s from here on…
    sim.runUntil(6_000); // …but the refused beacon came at 5 s: until 12 s
    sim.kill('gw2');
    sim.runUntil(14_999);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'WAIT_BLOCKLIST_CMPL' });
  });

  it('of a gateway in a failback leaves the owner STANDBY until the tick', () => {
    const sim = returning(40_000);
    sim.runUntil(41_500);
    expect(sim.states('gw1')[1]).toBe('OWNER_FAILBACK_PREPARED');
    sim.kill('gw1');
    sim.start('gw1');
    sim.runFor(0);
    expect(sim.states('gw1')[1]).toBe('STANDBY');
    sim.runUntil(44_999);
    expect(sim.states('gw2')[1]).toBe('STANDBY'); // the timer found no owner
    sim.runUntil(45_000);
    expect(sim.states('gw1')[1]).toBe('ACTIVE');
  });
});

describe('redeploy heuristic', () => {
  // gw1 is declared down at 12.0 s. 16 s after (12.0 s − 7 s grace) is 21.0 s.
  it.each([
    [20_900, true],
    [21_100, false],
  ])('a first CREATED beacon at %i ms suppresses failovers: %s', (startMs, suppressed) => {
    const sim = returning(startMs);
    sim.runUntil(startMs + 4_200);
    sim.kill('gw2');
    // Its last beacon came within the second before: declared down within 8 s, and taken over at once or 16 s after the start.
    sim.runUntil(startMs + 13_000);
    expect(sim.availability('gw2')).toBe('UNAVAILABLE');
    expect(sim.states('gw1')[2]).toBe(suppressed ? 'STANDBY' : 'ACTIVE');
    sim.runUntil(startMs + 16_000 + 5_000 + beaconMs);
    expect(sim.states('gw1')[2]).toBe('ACTIVE');
  });
});
