import { describe, expect, it } from 'vitest';
import { planScenario } from './planner.js';
import type { Scenario } from './scenario.js';
import type { Plan } from './types.js';

type Steps = Scenario['steps'];
const inject = (id: string, fault: Extract<Steps[number], { do: 'inject' }>['fault'], target: string): Steps[number] => ({ do: 'inject', id, fault, target });
const heal = (id: string): Steps[number] => ({ do: 'heal', id });
const home: Steps[number] = { do: 'await', what: 'home' };

function planOf(steps: Steps, gateways = 2, lab: Plan['lab'] = 'loopback'): Plan {
  return planScenario('s', { name: 'one', title: 'One', description: 'break things.', lab: { gateways, anaGroups: 2 }, steps }, { seed: 's', lab });
}
const expectOf = (...args: Parameters<typeof planOf>): Plan['expect'] => planOf(...args).expect;
const told = (e: Plan['expect']): string[] => e.stalls.map((s) => `${s.fault} ${s.when} ${s.bound}${s.untilHeal === true ? ' until-heal' : ''}${s.until === undefined ? '' : ` until ${s.until.fault} ${s.until.when}`} [${s.groups.join()}]`);

describe('deriveExpectations', () => {
  it('holds faults that are apart to their own consequences, each for its own group', () => {
    const e = expectOf([inject('a', 'gateway.kill', 'gw1'), heal('a'), home, inject('b', 'partition.store', 'gw2'), heal('b')]);
    expect(told(e)).toEqual(['a inject failoverStall [1]', 'a heal failbackStall [1]', 'b inject storeResume until-heal [2]']);
    expect(e.takeovers.map((t) => `${t.fault} ${t.group} ${t.expected}`)).toEqual(['a 1 true', 'b 2 false']);
    expect(e.convergence).toBe('convergence');
  });

  it('lets a Linux host scan the namespaces of a gateway that is back, also those of the other groups, and no other host', () => {
    const kill = [inject('a', 'gateway.kill', 'gw1'), heal('a'), home];
    expect(told(expectOf(kill, 2, 'qemu'))).toEqual(['a heal rescanStall [2]', 'a inject failoverStall [1]', 'a heal failbackStall [1]']);
    expect(told(expectOf([inject('a', 'partition.store', 'gw1'), heal('a'), home], 2, 'qemu'))).toEqual(['a inject storeResume until-heal [1]']);
    const { bounds, platform } = planOf(kill, 2, 'qemu');
    const of = (name: string): number => bounds.find((bound) => bound.name === name)!.ms;
    // A freeze for each fabric lasts as long as an I/O may, and so may the I/O itself.
    expect(of('rescanStall')).toBe((1 + platform.fabrics) * of('quietStall'));
  });

  it('counts a fault as over only once the system is home again', () => {
    expect(told(expectOf([inject('a', 'gateway.kill', 'gw1'), heal('a'), inject('b', 'gateway.kill', 'gw2'), heal('b'), home]))).toEqual([
      'a inject overlapStall [1,2]', 'a heal overlapStall [1,2]', 'b inject overlapStall [1,2]', 'b heal overlapStall [1,2]',
    ]);
  });

  it('lets I/O wait while every gateway is out, and until the first of them is healed', () => {
    const e = expectOf([inject('a', 'gateway.kill', 'gw1'), inject('b', 'gateway.pause', 'gw2'), heal('b'), heal('a'), home]);
    expect(told(e)).toEqual(['a inject overlapStall [1,2]', 'b inject overlapHome until b heal [1,2]', 'b heal overlapStall [1,2]', 'a heal overlapStall [1,2]']);
    expect(e.convergence).toBe('overlapHome');
    expect(e.takeovers).toEqual([]);
  });

  it('still demands I/O when one of three gateways is left', () => {
    const e = expectOf([inject('a', 'gateway.kill', 'gw1'), inject('b', 'gateway.kill', 'gw2'), heal('a'), heal('b')], 3);
    expect(e.stalls.every(({ until, untilHeal }) => until === undefined && untilHeal === undefined)).toBe(true);
  });

  it('lets I/O wait for a gateway that hangs but stays the owner, until it is out', () => {
    const e = expectOf([inject('hang', 'store.hold-write', 'gw1'), inject('kill', 'gateway.kill', 'gw1'), { do: 'await', what: 'takeover', of: 'kill' }, heal('hang'), heal('kill'), home]);
    expect(told(e)).toEqual(['hang inject overlapHome until kill inject [1,2]', 'kill inject overlapStall [1,2]', 'hang heal overlapStall [1,2]', 'kill heal overlapStall [1,2]']);
    // The scenario waits for this takeover, so it has to come.
    expect(e.takeovers.map((t) => `${t.fault} ${t.group} ${t.expected}`)).toEqual(['kill 1 true']);
    expect(e.heldWrites).toEqual([{ fault: 'hang', gateway: 'gw1', groups: [1, 2] }]);
  });

  it('has one window for a time without any servable gateway, however many faults fall into it', () => {
    const e = expectOf([inject('a', 'gateway.kill', 'gw1'), inject('b', 'gateway.kill', 'gw2'), inject('c', 'partition.monitor', 'gw2'), heal('c'), heal('a'), heal('b')]);
    expect(told(e)).toEqual(['a inject overlapStall [1,2]', 'b inject overlapHome until a heal [1,2]', 'a heal overlapStall [1,2]', 'b heal overlapStall [1,2]']);
  });

  it('allows two optimized owners for no other reason than a fault that explains them', () => {
    const apart = expectOf([inject('a', 'gateway.kill', 'gw1'), heal('a')]);
    expect(apart.overlaps).toEqual([]);
    const cut = expectOf([inject('a', 'gateway.kill', 'gw1'), inject('b', 'partition.monitor', 'gw2'), heal('a'), heal('b')]);
    expect(cut.overlaps.map(({ fault, bound }) => `${fault} ${bound}`)).toEqual(['b monitorSilenceOverlap']);
  });

  it('waits longer for home where faults overlap', () => {
    const boundOfHome = (steps: Steps): string[] => planScenario('s', { name: 'one', title: 'One', description: 'x y z.', steps }, { seed: 's', lab: 'loopback' }).steps.flatMap((s) => (s.do === 'await' ? [s.bound] : []));
    expect(boundOfHome([inject('a', 'gateway.kill', 'gw1'), heal('a'), home])).toEqual(['homeAwait']);
    expect(boundOfHome([inject('a', 'gateway.kill', 'gw1'), inject('b', 'gateway.kill', 'gw2'), heal('a'), heal('b'), home])).toEqual(['overlapHome']);
  });
});
