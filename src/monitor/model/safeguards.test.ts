import { describe, expect, it } from 'vitest';
import { SafetyMonitor } from '../testing/invariants.js';
import { group, pool, Simulation } from '../testing/simulation.js';
import { safeguards, type Safeguard } from './types.js';

/*
 * What NVMeofGwMon 20.2.4 does not keep: each scenario breaks an invariant when the model does as it does, and not
 * with the safeguard. `pathproof conform` shows the same on a real monitor, but for what no state shows.
 */

const all = (...ids: string[]) => (sim: Simulation): void => {
  sim.create(...ids);
  sim.start(...ids);
  sim.runUntil(4_000);
};

interface Unsafe { safeguard: Safeguard; what: string; play: (sim: Simulation) => void; broken: RegExp }

const unsafe: readonly Unsafe[] = [
  {
    safeguard: 'failback-seen', what: 'the holder is cut off from the monitor when its group’s owner returns: both serve',
    play: (sim) => {
      all('gw1', 'gw2')(sim);
      sim.kill('gw1');
      sim.runUntil(40_000);
      sim.partition('gw2');
      sim.start('gw1');
      sim.runUntil(47_000);
    },
    broken: /group 1 is served by gw1 and gw2, both can write/,
  },
  {
    safeguard: 'fence-last-holder', what: 'the holder of a dead owner’s group is cut off while the only candidate is busy',
    play: (sim) => {
      all('gw1', 'gw2', 'gw3')(sim);
      sim.kill('gw1');
      sim.runUntil(14_000);
      expect(sim.states('gw2')[1]).toBe('ACTIVE');
      // No takeover when gw2 is declared down: gw3 starts anew, which suppresses it for a while.
      sim.partition('gw2');
      sim.runUntil(14_900);
      sim.kill('gw3');
      sim.start('gw3');
      sim.runUntil(24_000);
      sim.storeStalled = true;
      sim.runUntil(26_000);
    },
    broken: /gw3 was told to serve group 1 while gw2 \(\S+\) was not blocklisted/,
  },
  {
    safeguard: 'await-own-blocklist', what: 'two gateways are declared down at once, and the store is slow',
    play: (sim) => {
      all('gw1', 'gw2', 'gw3', 'gw4')(sim);
      sim.kill('gw1', 'gw3');
      sim.storeStalled = true;
      sim.runUntil(13_000);
    },
    broken: /gw4 was told to serve group 3 while gw3 \(\S+\) was not blocklisted/,
  },
  {
    safeguard: 'fence-before-forgetting', what: 'the last two gateways are deleted while one may still write, and a third one gets the number of its group',
    play: (sim) => {
      all('gw1', 'gw2')(sim);
      sim.partition('gw1'); // does not hear that it is deleted
      for (const id of ['gw1', 'gw2']) sim.input(() => sim.model.delete(sim.nowMs(), pool, group, id).effects);
      sim.create('gw3');
      sim.start('gw3');
      sim.runUntil(9_000);
    },
    broken: /group 1 is served by gw1 and gw3, both can write|gw3 was told to serve group 1 while gw1 \(\S+\) was not blocklisted/,
  },
  {
    safeguard: 'await-resync', what: 'after a restart of the monitor the holder’s beacon is refused, and its group’s owner returns just then',
    play: (sim) => {
      all('gw1', 'gw2')(sim);
      sim.kill('gw1');
      sim.runUntil(40_000);
      sim.restartMonitor();
      sim.runUntil(41_000);
      expect(sim.availability('gw2')).toBe('CREATED');
      sim.partition('gw2');
      sim.start('gw1');
      sim.runUntil(60_000);
    },
    broken: /group 1 is served by gw1 and gw2, both can write/,
  },
];

function run(play: (sim: Simulation) => void, on: readonly Safeguard[]): Simulation {
  const safety = new SafetyMonitor();
  const sim = new Simulation({ safeguards: on, onStep: (simulation, beacon) => safety.check(simulation, beacon) });
  play(sim);
  return sim;
}

describe('the safeguards', () => {
  it('each have a scenario', () => {
    expect(unsafe.map(({ safeguard }) => safeguard).sort()).toEqual([...safeguards].sort());
  });

  it.each(unsafe.map((each) => [each.safeguard, each.what, each] as const))('%s: %s', (_name, _what, { safeguard, play, broken }) => {
    expect(() => run(play, safeguards.filter((name) => name !== safeguard))).toThrow(broken);
    expect(() => run(play, [])).toThrow(broken);
    expect(() => run(play, safeguards)).not.toThrow();
  });
});

describe('a restart of the monitor', () => {
  it('forgets whose beacon was when, who was down when and how many beacons came; keeps states, lists and timers', () => {
    const sim = run(all('gw1', 'gw2'), safeguards);
    sim.kill('gw1');
    sim.runUntil(10_500); // silent for 6.5 s
    sim.restartMonitor();
    sim.runUntil(10_999);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    expect(sim.states('gw2')[2]).toBe('ACTIVE');
    // gw2's next beacon is out of sequence, the one after it has the full list: CREATED for a second, and no failover of it.
    sim.runUntil(11_000);
    expect(sim.availability('gw2')).toBe('CREATED');
    expect(sim.states('gw2')).toEqual({ 1: 'STANDBY', 2: 'STANDBY' });
    sim.runUntil(12_000);
    expect(sim.availability('gw2')).toBe('AVAILABLE');
    expect(sim.states('gw2')[2]).toBe('ACTIVE');
    // gw1 gets a whole grace from the restart on; its failover is suppressed until 18 s.
    sim.runUntil(17_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
    sim.runUntil(18_000);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
  });

  it('takes the first beacon of a gateway that has not been counted yet for one in sequence', () => {
    const sim = new Simulation();
    sim.create('gw1');
    sim.start('gw1');
    sim.runUntil(500); // CREATED only
    sim.restartMonitor();
    sim.runUntil(1_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
  });

  it('of a gateway that stays silent is no way to be let in again', () => {
    const sim = run(all('gw1', 'gw2'), safeguards);
    sim.partition('gw1');
    sim.runUntil(14_000);
    sim.restartMonitor();
    const { address } = sim.agent('gw1');
    expect(sim.model.beacon(14_100, address, sim.agent('gw1').beacon()).at(-1)).toMatchObject({ kind: 'map', map: { entry: undefined } });
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
  });
});
