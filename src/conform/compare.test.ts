import { describe, expect, it } from 'vitest';
import type { GroupStateName } from '../history/events.js';
import { compareTraces, type Periods } from './compare.js';
import { judge } from './conform.js';
import { differenceText } from './report.js';
import type { Schedule } from './schedule.js';
import { absent, sequencesOf } from './sequence.js';
import type { Snapshot, Trace } from './trace.js';

const periods: Periods = { beaconMs: 1_000, tickMs: 2_000, graceMs: 7_000, commitMs: { model: 0, monitor: 200 } };

/** gw1's state for group 1 from each of these moments on. */
function trace(states: readonly [atMs: number, state: GroupStateName | undefined][], o: Partial<Trace> = {}): Trace {
  const snapshots = states.map(([atMs, state], i): Snapshot => ({
    atMs, epoch: i, gwEpoch: i,
    gateways: state === undefined ? [] : [{ id: 'gw1', anaGroup: 1, availability: 'AVAILABLE', adminState: 'ENABLED', listeners: 1, namespaces: 1, states: { 1: state } }],
  }));
  return {
    side: 'x', steps: [{ index: 0, text: 'kill gw2', atMs: 1_000 }], snapshots, promotions: [], missedCommits: 0, sampleGapMaxMs: 0, stallMaxMs: 0, endMs: 60_000, ...o,
  };
}

const words = (model: Trace, monitor: Trace): string[] => compareTraces(model, monitor, periods, ['kill gw2', 'until']).differences.map(differenceText);

describe('sequencesOf', () => {
  it('keeps distinct values per component, with the deed before each, and what is not there', () => {
    const sequences = sequencesOf(trace([[0, 'STANDBY'], [500, 'STANDBY'], [1_500, 'ACTIVE'], [2_000, undefined]]));
    expect([...sequences.keys()]).toEqual(['gw1', 'gw1/1']);
    expect(sequences.get('gw1/1')).toEqual([
      { value: 'STANDBY', fromMs: 0, toMs: 1_500, deeds: 0 }, { value: 'ACTIVE', fromMs: 1_500, toMs: 2_000, deeds: 1 }, { value: absent, fromMs: 2_000, toMs: 60_000, deeds: 1 },
    ]);
  });
});

describe('compareTraces', () => {
  const same = trace([[0, 'STANDBY'], [8_000, 'WAIT_BLOCKLIST_CMPL'], [8_500, 'ACTIVE']]);

  it('finds nothing in what is the same within the periods', () => {
    expect(words(same, trace([[0, 'STANDBY'], [9_500, 'WAIT_BLOCKLIST_CMPL'], [10_600, 'ACTIVE']]))).toEqual([]);
  });

  it('a value that one side never had, with both times', () => {
    expect(words(same, trace([[0, 'STANDBY'], [8_200, 'ACTIVE']]))).toEqual(['gw1/1: the monitor ACTIVE at 8.2 s, the model WAIT_BLOCKLIST_CMPL at 8.0 s']);
    expect(words(trace([[0, 'STANDBY']]), same)).toEqual(['gw1/1: the monitor WAIT_BLOCKLIST_CMPL at 8.0 s, the model stays as it is']);
    expect(words(same, trace([[0, 'STANDBY'], [8_000, 'WAIT_BLOCKLIST_CMPL'], [8_500, 'ACTIVE'], [20_000, 'STANDBY']]))).toEqual(['gw1/1: the monitor STANDBY at 20.0 s, the model stays as it is']);
  });

  it('leaves out what the monitor could not have shown, and says so; never the other way round', () => {
    const short = trace([[0, 'STANDBY'], [8_000, 'WAIT_BLOCKLIST_CMPL'], [8_200, 'ACTIVE']]);
    const without = trace([[0, 'STANDBY'], [8_200, 'ACTIVE']]);
    const { differences, merges } = compareTraces(short, without, periods, []);
    expect(differences).toEqual([]);
    expect(merges).toEqual([{ component: 'gw1/1', value: 'WAIT_BLOCKLIST_CMPL', ms: 200, side: 'model', why: 'commit' }]);
    // 1 ms longer than a commit may take, and the model, which shows every commit.
    expect(words(trace([[0, 'STANDBY'], [7_999, 'WAIT_BLOCKLIST_CMPL'], [8_200, 'ACTIVE']]), without)).toHaveLength(1);
    expect(words(without, short)).toHaveLength(1);
  });

  it('leaves out STANDBY on either side while it may have waited for a tick', () => {
    const waited = (ms: number): Trace => trace([[0, 'ACTIVE'], [8_000, 'STANDBY'], [8_000 + ms, 'ACTIVE'], [20_000, 'STANDBY']]);
    const at = trace([[0, 'ACTIVE'], [20_000, 'STANDBY']]);
    expect(compareTraces(waited(2_000), at, periods, [])).toMatchObject({ differences: [], merges: [{ value: 'STANDBY', ms: 2_000, side: 'model', why: 'tick' }] });
    expect(compareTraces(at, waited(2_200), periods, [])).toMatchObject({ differences: [], merges: [{ value: 'STANDBY', ms: 2_200, side: 'monitor', why: 'tick' }] });
    expect(words(waited(2_001), at)).not.toEqual([]);
    expect(words(at, waited(2_201))).not.toEqual([]);
  });

  it('joins what is left of a value on both sides of a gap', () => {
    expect(words(trace([[0, 'ACTIVE'], [3_000, 'STANDBY'], [3_100, 'ACTIVE']]), trace([[0, 'ACTIVE']]))).toEqual([]);
  });

  it('does not leave out the last value, however short it was seen', () => {
    expect(words(trace([[0, 'STANDBY'], [59_900, 'ACTIVE']]), trace([[0, 'STANDBY']]))).toHaveLength(1);
  });

  it('the same values too far apart in time, since the last deed', () => {
    // Two beacons, a tick, two commits.
    const boundMs = 2 * 1_000 + 2_000 + 2 * 200;
    expect(words(same, trace([[0, 'STANDBY'], [8_000 + boundMs, 'WAIT_BLOCKLIST_CMPL'], [8_500 + boundMs, 'ACTIVE']]))).toEqual([]);
    expect(words(same, trace([[0, 'STANDBY'], [8_001 + boundMs, 'WAIT_BLOCKLIST_CMPL'], [8_500 + boundMs, 'ACTIVE']]))).toEqual([
      'gw1/1 WAIT_BLOCKLIST_CMPL, since kill gw2: monitor 11.4 s, model 7.0 s; at most 4.4 s apart follow from the periods',
    ]);
  });

  it('counts from the same deed on both sides, though the value came before it on one', () => {
    const steps = [{ index: 0, text: 'kill gw2', atMs: 1_000 }, { index: 1, text: 'start gw2', atMs: 8_100 }];
    expect(words(trace([[0, 'STANDBY'], [8_050, 'ACTIVE']], { steps }), trace([[0, 'STANDBY'], [8_150, 'ACTIVE']], { steps }))).toEqual([]);
  });

  it('how long a timed state lasted, to within a beacon', () => {
    const failback = (ms: number): Trace => trace([[0, 'ACTIVE'], [10_000, 'WAIT_FAILBACK_PREPARED'], [10_000 + ms, 'STANDBY']]);
    expect(words(failback(3_000), failback(4_200))).toEqual([]);
    expect(words(failback(1_000), failback(3_000))).toEqual(['gw1/1 WAIT_FAILBACK_PREPARED, since its own beginning: monitor 3.0 s, model 1.0 s; at most 1.2 s apart follow from the periods']);
  });

  it('allows for looks that were late and for an event loop that stood still', () => {
    const late = trace([[0, 'ACTIVE'], [10_000, 'WAIT_FAILBACK_PREPARED'], [13_000, 'STANDBY']], { sampleGapMaxMs: 500, stallMaxMs: 400 });
    expect(words(trace([[0, 'ACTIVE'], [10_000, 'WAIT_FAILBACK_PREPARED'], [11_000, 'STANDBY']]), late)).toEqual([]);
  });

  it('a gateway that is told to serve with and without an epoch to wait for', () => {
    const told = (...waits: boolean[]): Partial<Trace> => ({ promotions: waits.map((each) => ({ atMs: 0, gateway: 'gw1', group: 1, waits: each })) });
    expect(words({ ...same, ...told(true) }, { ...same, ...told(true) })).toEqual([]);
    expect(words({ ...same, ...told(true) }, { ...same, ...told(false) })).toEqual(['gw1 was told to serve group 1 (time 1): by the monitor at once, by the model after an epoch of the store']);
    expect(words({ ...same, ...told(true) }, { ...same, ...told(true, false) })).toEqual(['gw1 was told to serve group 1 (time 2): by the monitor at once, by the model not at all']);
  });

  it('what a command returned, and who never got further', () => {
    const returned = (code: number): Trace => ({ ...same, steps: [{ index: 0, text: 'create gw9', atMs: 1_000, code }] });
    expect(words(returned(0), returned(-22))).toEqual(['create gw9: the monitor returned -22, the model 0']);
    expect(words({ ...same, stuckAt: 1 }, same)).toEqual(['the model never came to: until']);
    expect(words({ ...same, stuckAt: 1 }, { ...same, stuckAt: 1 })).toEqual([]);
  });
});

describe('judge', () => {
  const schedule: Schedule = { name: 's', title: 't', gateways: ['gw1'], steps: [{ do: 'kill', gateway: 'gw2' }] };
  const a = trace([[0, 'STANDBY'], [8_000, 'ACTIVE']]);
  const b = trace([[0, 'STANDBY']]);
  const verdict = (s: Schedule, model: Trace, bare: Trace, monitor: Trace): string => judge(s, { model, bare, monitor }, periods).verdict;

  it('same, differs, and known only if the model without safeguards agrees and the schedule says why', () => {
    const known: Schedule = { ...schedule, known: { safeguard: 'failback-seen', reason: 'r' } };
    expect(verdict(schedule, a, a, a)).toBe('same');
    expect(verdict(schedule, a, a, b)).toBe('differs');
    expect(judge(known, { model: a, bare: b, monitor: b }, periods)).toMatchObject({ verdict: 'known', why: 'failback-seen: r' });
    expect(verdict(known, a, a, b)).toBe('differs');
    expect(judge(schedule, { model: a, bare: b, monitor: b }, periods)).toMatchObject({ verdict: 'differs', why: expect.stringContaining('names no safeguard') as string });
  });

  it('unknown for what is no evidence: a broken side, a monitor that was not looked at, a harness that stood still', () => {
    expect(judge(schedule, { model: a, bare: a, monitor: { ...a, broken: 'no answer' } }, periods)).toMatchObject({ verdict: 'unknown', why: 'x: no answer' });
    // A difference needs good sight…
    expect(verdict(schedule, a, a, { ...b, sampleGapMaxMs: 1_000 })).toBe('differs');
    expect(verdict(schedule, a, a, { ...b, sampleGapMaxMs: 1_001 })).toBe('unknown');
    expect(verdict(schedule, a, a, { ...b, stallMaxMs: 1_001 })).toBe('unknown');
    // …and so does none, if there were commits in the dark, or gateways silent for long.
    expect(verdict(schedule, a, a, { ...a, sampleGapMaxMs: 1_001 })).toBe('same');
    expect(verdict(schedule, a, a, { ...a, sampleGapMaxMs: 1_001, missedCommits: 1 })).toBe('unknown');
    expect(verdict(schedule, a, a, { ...a, sampleGapMaxMs: 1_000, missedCommits: 1 })).toBe('same');
    expect(verdict(schedule, { ...a, stallMaxMs: 3_501 }, a, a)).toBe('unknown');
    expect(verdict(schedule, { ...a, stallMaxMs: 3_500 }, a, a)).toBe('same');
  });
});
