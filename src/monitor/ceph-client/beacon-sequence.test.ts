import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapFeatureBeaconDiff } from '../../ceph/msgr2/index.js';
import type { GwBeacon, GwClientState, GwSubsystem } from '../../ceph/msgr2/index.js';
import type { Beacon, BeaconSubsystem } from '../client.js';
import { BeaconSequence, subsystemChanges } from './beacon-sequence.js';

const subsystem = (nqn: string, nonce = '10.0.0.1:0/1'): BeaconSubsystem => ({
  nqn, listeners: [{ adrfam: 'IPv4', traddr: '10.0.0.1', trsvcid: '4420' }], namespaces: [{ anaGroup: 1, nonce }],
});
const beacon = (availability: Beacon['availability'], ...subsystems: BeaconSubsystem[]): Beacon => ({
  gwId: 'a', pool: 'rbd', group: 'g', subsystems, availability, lastOsdEpoch: 3, lastGwmapEpoch: 4,
});
const entry = (diff?: GwClientState['diff']): GwClientState => ({
  gwId: 'a', groupId: 0, gwMapEpoch: 1, subsystems: [], availability: 'AVAILABLE', ...(diff === undefined ? {} : { diff }),
});
const wantsDiff = entry({ lastSequence: 0n, outOfOrder: false, mapFeatures: mapFeatureBeaconDiff });
const knowing = (...nqns: string[]): GwClientState => ({ ...wantsDiff, subsystems: nqns.map((nqn) => ({ nqn, ana: [] })) });
const noDiff = entry({ lastSequence: 0n, outOfOrder: false, mapFeatures: 0n });
const outOfOrder = (lastSequence: bigint): GwClientState => entry({ lastSequence, outOfOrder: true, mapFeatures: mapFeatureBeaconDiff });

function send(sequence: BeaconSequence, b: Beacon): GwBeacon {
  const wire = sequence.prepare(b);
  sequence.sent(b, wire);
  return wire;
}

/** `3: ADDED x, DELETED y`. */
function told({ diff, subsystems }: GwBeacon): string {
  if (diff === undefined) return `full: ${subsystems.map(({ nqn }) => nqn).join(', ')}`;
  return `${diff.sequence}: ${subsystems.map(({ nqn }, i) => `${diff.changes[i]} ${nqn}`).join(', ')}`;
}

describe('BeaconSequence', () => {
  it('sends version 1 beacons with the full list until a map wants version 2', () => {
    const sequence = new BeaconSequence();
    expect(told(send(sequence, beacon('CREATED')))).toBe('full: ');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('full: x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('y'))))).toBe('full: x, y');
    expect(sequence.takeMap(wantsDiff)).toBe(true);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('z'))))).toBe('1: ADDED x, ADDED z');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('z'))))).toBe('2: ');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('z', '10.0.0.1:0/2'))))).toBe('3: CHANGED z, DELETED x');
  });

  it('tells everything again to a monitor that has it CREATED, whatever made it forget', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('1: ADDED x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('2: ');
    expect(sequence.takeMap({ ...wantsDiff, availability: 'CREATED' })).toBe(true);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('3: CHANGED x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('4: ');
    // A map from before it had the list; what is gone by now must not stay.
    expect(sequence.takeMap({ ...wantsDiff, availability: 'CREATED' })).toBe(true);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('y'))))).toBe('5: ADDED y, DELETED x');
    expect(sequence.resyncs).toBe(0);
  });

  it('carries the rest of the beacon along', () => {
    expect(new BeaconSequence().prepare(beacon('AVAILABLE'))).toEqual({
      gwId: 'a', pool: 'rbd', group: 'g', subsystems: [], availability: 'AVAILABLE', lastOsdEpoch: 3, lastGwmapEpoch: 4,
    });
  });

  it('goes back to version 1 when a map takes it back, and on again', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    send(sequence, beacon('AVAILABLE', subsystem('x')));
    sequence.takeMap(noDiff);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('full: x');
    sequence.takeMap(wantsDiff);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x', '10.0.0.1:0/2'))))).toBe('2: ADDED x');
    // A monitor that was downgraded under us.
    sequence.takeMap(entry());
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('full: x');
  });

  it('while CREATED: no subsystems whatever it is given, number 0, and nothing noted as told; then 1', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    expect(told(send(sequence, beacon('CREATED', subsystem('x'))))).toBe('0: ');
    expect(told(send(sequence, beacon('CREATED', subsystem('x'))))).toBe('0: ');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('1: ADDED x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('2: ');
  });

  it('a beacon that was not sent leaves no gap', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    sequence.prepare(beacon('AVAILABLE', subsystem('x')));
    sequence.prepare(beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('1: ADDED x');
  });

  it('out of order: goes on behind the monitor\'s number with the full list; the map is not to be shown', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    for (let i = 0; i < 5; i += 1) send(sequence, beacon('AVAILABLE', subsystem('x')));
    expect(sequence.takeMap(outOfOrder(40n))).toBe(false);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('41: ADDED x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('42: ');
    // After an election, one per queued beacon.
    for (let i = 0; i < 3; i += 1) expect(sequence.takeMap(outOfOrder(0n))).toBe(false);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('1: ADDED x');
    expect(sequence.resyncs).toBe(4);
  });

  it('a committed map says 0 for the last number: that means nothing', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    send(sequence, beacon('AVAILABLE', subsystem('x')));
    send(sequence, beacon('AVAILABLE', subsystem('x')));
    expect(sequence.takeMap(knowing('x'))).toBe(true);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('3: ');
  });

  it('a map that lacks what was told makes the next beacon tell all of it again, once', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    sequence.takeMap(knowing('y'));
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('y'))))).toBe('2: CHANGED x, CHANGED y');
    sequence.takeMap(knowing('x', 'y'));
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'), subsystem('y'))))).toBe('3: ');
  });

  it('a map without our entry is shown and changes nothing', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    send(sequence, beacon('AVAILABLE', subsystem('x')));
    expect(sequence.takeMap(undefined)).toBe(true);
    expect(sequence.diff).toBe(true);
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('2: ');
  });

  it('UNAVAILABLE is told like AVAILABLE, list and all: which list to send is the gateway\'s decision', () => {
    const sequence = new BeaconSequence();
    send(sequence, beacon('AVAILABLE', subsystem('x')));
    expect(told(send(sequence, beacon('UNAVAILABLE', subsystem('x'))))).toBe('full: x');
    sequence.takeMap(wantsDiff);
    expect(told(send(sequence, beacon('UNAVAILABLE', subsystem('x'))))).toBe('1: ADDED x');
    expect(told(send(sequence, beacon('UNAVAILABLE', subsystem('x'))))).toBe('2: ');
    expect(told(send(sequence, beacon('UNAVAILABLE')))).toBe('3: DELETED x');
    sequence.takeMap(outOfOrder(7n));
    expect(told(send(sequence, beacon('UNAVAILABLE', subsystem('x'))))).toBe('8: ADDED x');
    expect(told(send(sequence, beacon('AVAILABLE', subsystem('x'))))).toBe('9: ');
  });

  it('does not hold on to the caller\'s objects', () => {
    const sequence = new BeaconSequence();
    sequence.takeMap(wantsDiff);
    const mine = subsystem('x');
    send(sequence, beacon('AVAILABLE', mine));
    mine.listeners = [];
    expect(told(send(sequence, beacon('AVAILABLE', mine)))).toBe('2: CHANGED x');
  });
});

const lists = fc.uniqueArray(fc.record({
  nqn: fc.constantFrom('a', 'b', 'c', 'd'),
  listeners: fc.array(fc.record({ adrfam: fc.constant('IPv4'), traddr: fc.constantFrom('1', '2'), trsvcid: fc.constant('4420') }), { maxLength: 2 }),
  namespaces: fc.array(fc.record({ anaGroup: fc.integer({ min: 1, max: 2 }), nonce: fc.constantFrom('n', 'm') }), { maxLength: 2 }),
}), { selector: ({ nqn }) => nqn, maxLength: 4 });

describe('subsystemChanges', () => {
  it('lead from one list to the other, and are empty if nothing changed', () => {
    fc.assert(fc.property(lists, lists, (before, now) => {
      const result = new Map<string, GwSubsystem>(before.map((each) => [each.nqn, each]));
      for (const { subsystem: each, change } of subsystemChanges(before, now)) {
        expect(result.has(each.nqn)).toBe(change !== 'ADDED');
        if (change === 'DELETED') {
          expect(result.get(each.nqn)).toEqual(each);
          result.delete(each.nqn);
        } else {
          expect(result.get(each.nqn)).not.toEqual(each);
          result.set(each.nqn, each);
        }
      }
      const byNqn = (list: readonly GwSubsystem[]): GwSubsystem[] => [...list].sort((a, b) => (a.nqn < b.nqn ? -1 : 1));
      expect(byNqn([...result.values()])).toEqual(byNqn(now));
      expect(subsystemChanges(now, structuredClone(now))).toEqual([]);
    }));
  });
});
