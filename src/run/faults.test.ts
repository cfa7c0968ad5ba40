import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { faultDrivers } from '../fault/drivers.js';
import { abilities, faultNames, type Ability } from '../fault/specs.js';
import type { EventBody, HistoryEvent } from '../history/events.js';
import { processStartTime } from '../lab/process-identity.js';
import type { Lab } from '../lab/types.js';
import { LiveView } from '../observe/live-view.js';
import { planScenario } from '../plan/planner.js';
import type { Scenario } from '../plan/scenario.js';
import type { Plan, PlanStep } from '../plan/types.js';
import { nowUs } from '../util/clock.js';
import { FaultBoard } from './faults.js';

/** A lab that only notes what is done to it: nothing really breaks, so nothing may be confirmed. */
class HollowLab {
  readonly calls: string[] = [];
  readonly abilities: ReadonlySet<Ability> = new Set(abilities);
  failing: string | undefined;
  readonly #note = (call: string): Promise<void> => {
    this.calls.push(call);
    return call === this.failing ? Promise.reject(new Error('no')) : Promise.resolve();
  };
  readonly gateways = new Map(['gw1', 'gw2'].map((name) => [name, {
    // No process has this pid.
    name, pid: 2 ** 30, kill: () => this.#note('kill'), stop: () => this.#note('stop'), start: () => this.#note('start'),
    pause: () => this.#note('pause'), resume: () => this.#note('resume'),
    listeners: () => Promise.resolve(['a:1']), powerOff: () => this.#note('powerOff'), powered: () => true, alive: (pid: number) => Promise.resolve(processStartTime(pid) !== undefined),
    removeListeners: () => this.#note('removeListeners'), addListeners: () => this.#note('addListeners'),
  }]));
  /** With each release: whether only what is not served any more. */
  readonly released: boolean[] = [];
  readonly hosts = new Map<string, object>([['host1', this.#host('host1')]]);
  addHost(name: string): this {
    this.hosts.set(name, this.#host(name));
    return this;
  }
  #host(name: string): object {
    return {
      name,
      holdWrites: (gateway: string, nsids: readonly number[]) => this.#note(`${name} holds ${nsids.join()} at ${gateway}`).then(() => nsids.map((nsid) => ({ nsid, slba: 0, nlb: 1 }))),
      releaseWrites: (which?: { unserved?: boolean }) => this.#note(`${name} releases`).then(() => (this.released.push(which?.unserved ?? false), { sent: 1, dropped: 0 })),
    };
  }
  readonly store = { holdWrites: () => this.#note('store hold'), releaseWrites: () => this.#note('store release').then(() => 1) };
  readonly monitor = { command: (c: Record<string, unknown>) => this.#note(String(c['prefix'])).then(() => ({ code: 0, status: '', output: '' })) };
  /** Whatever it is told, everything stays as it was. */
  readonly cephadm = {
    hostOf: (gateway: string) => gateway,
    service: 'nvmeof.p.g', orch: (command: string) => this.#note(`orch ${command}`).then(() => ''), place: (names: readonly string[]) => this.#note(`place ${names.join()}`),
    daemons: () => Promise.resolve(['gw1', 'gw2'].map((host) => ({ name: `nvmeof.p.g.${host}.abc`, host, status: 'running' }))),
    gatewayIds: () => Promise.resolve(['gw1', 'gw2'].map((host, i) => ({ id: `client.nvmeof.p.g.${host}.abc`, host, anaGroup: i + 1, availability: 'AVAILABLE' }))),
    containers: (gateway: string) => Promise.resolve([`container-of-${gateway}`]), killContainer: (gateway: string) => this.#note(`kill container of ${gateway}`),
    audit: () => Promise.resolve([]), expectEnd: (gateway: string) => this.calls.push(`expect the end of ${gateway}`), untilRuns: (gateway: string) => this.#note(`wait for ${gateway}`),
  };
  readonly links = { cut: (link: string) => this.#note(`cut ${link}`), heal: (link: string) => this.#note(`heal ${link}`) };
}

const controllerLost: HistoryEvent = { type: 'host.controller', host: 'host1', controller: 'nvme0', gateway: 'gw1', address: 'a:1', cntlid: 1, state: 'resetting', seq: 1, tUs: 1, wallMs: 0, node: 'host1', offUs: 0, errUs: 0 };

/** An observation that never comes is waited for this long. */
const confirmTimeoutMs = 300;

function board(lab: HollowLab, fault: (typeof faultNames)[number], plan: Plan = planOf(fault)) {
  const events: Extract<EventBody, { type: 'fault' }>[] = [];
  const view = new LiveView(plan.topology.hosts.map(({ name }) => name));
  const abort = new AbortController();
  const faults = new FaultBoard({ lab: lab as unknown as Lab, view, plan, signal: abort.signal, emit: (e) => e.type === 'fault' && events.push(e), confirmTimeoutMs });
  const step = plan.steps.find((s): s is Extract<PlanStep, { do: 'inject' }> => s.do === 'inject')!;
  return { faults, step, events, view, abort };
}

function planOf(fault: (typeof faultNames)[number], hosts = 1, more: Scenario['lab'] = {}): Plan {
  return planScenario('t', { name: 'a', title: 'One fault', description: 'inject.', lab: { hosts, ...more }, steps: [{ do: 'inject', id: 'f', fault, target: 'gw1' }, { do: 'heal', id: 'f' }] }, { seed: '1', lab: 'loopback' });
}

describe('FaultBoard', () => {
  // A hold is over once the gateway waits for nothing, and a gateway that nobody has heard of waits for nothing.
  it.each(faultNames.filter((name) => !['host.hold-write', 'store.hold-write', 'gateway.pause'].includes(name)))('%s: an injection that nobody else saw is unconfirmed, and so is its heal', async (name) => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, name);
    await faults.inject(step);
    expect(events.map((e) => e.phase)).toEqual(['injecting', 'injected', 'unconfirmed']);
    expect(faults.current).toContain(name);
    const before = lab.calls.length;
    expect(before).toBeGreaterThan(0);
    await faults.heal('f');
    expect(lab.calls.length).toBeGreaterThan(before);
    expect(events.slice(3).map((e) => e.phase)).toEqual(['healing', 'healed', 'heal-unconfirmed']);
    expect(faults.current).toBeNull();
  });

  it.each(['host.hold-write', 'gateway.pause'] as const)('%s: an injection that nobody else saw is unconfirmed', async (name) => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, name);
    await faults.inject(step);
    expect(events.map((e) => e.phase)).toEqual(['injecting', 'injected', 'unconfirmed']);
    await faults.heal('f');
    expect(events[4]).toMatchObject({ phase: 'healed', observer: 'harness' });
  });

  it('says of a hold that holds nothing why that is, by the host’s word', async () => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, 'store.hold-write');
    await faults.inject(step);
    expect(events.at(-1)).toMatchObject({ phase: 'confirmed', observer: 'host1', evidence: 'nothing to hold: the host has no optimized path at gw1 for ANA group 1' });
  });

  it.each([[{ gw2: 16 }, 'heal-confirmed', 'store'], [{ gw1: 1, gw2: 16 }, 'heal-unconfirmed', 'harness']] as const)('a hold is over when the store holds nothing of its own gateway: %j is %s', async (held, phase, observer) => {
    const lab = new HollowLab();
    Object.assign(lab.store, { state: () => Promise.resolve({ epoch: 1, blocklist: [], injection: { held } }) });
    const { faults, step, events } = board(lab, 'store.hold-write');
    await faults.inject(step);
    await faults.heal('f', 'gone');
    await faults.confirmations();
    expect(events.at(-1)).toMatchObject({ phase, observer });
  });

  it('cuts a gateway off from the store only once it has reached it, and cuts it anyway when it never does', async () => {
    for (const [answers, asked] of [[[false, false, true], 3], [[false], 2]] as const) {
      const lab = new HollowLab();
      let asks = 0;
      Object.assign(lab.gateways.get('gw1')!, { reachesStore: () => Promise.resolve(answers[Math.min(asks++, answers.length - 1)]!).then((reaches) => (lab.calls.push(`reaches: ${reaches}`), reaches)) });
      const { faults, step } = board(lab, 'partition.store', { ...planOf('partition.store') });
      await faults.inject({ ...step, confirm: 'later' });
      const before = lab.calls.slice(0, lab.calls.indexOf('cut gw1-store'));
      expect(before.length).toBeGreaterThanOrEqual(asked);
      expect(before.every((call) => call.startsWith('reaches'))).toBe(true);
      await faults.confirmations();
    }
  });

  it.each([['store-lost', 1, 'confirmed'], ['store-lost', -1_000, 'unconfirmed'], ['failed-over', 1, 'unconfirmed']] as const)('a gateway that is started while it is cut off from the store ends itself, which shows the cut: %s, %i ms after: %s', async (detail, afterMs, phase) => {
    const { faults, step, events, view } = board(new HollowLab(), 'partition.store');
    await faults.inject({ ...step, confirm: 'later' });
    view.apply({ type: 'node', name: 'gw1', role: 'gateway', state: 'stopping', detail, seq: 1, tUs: nowUs() + afterMs * 1_000, wallMs: 0, node: 'gw1', offUs: 0, errUs: 0 });
    await faults.confirmations();
    expect(events.at(-1)).toMatchObject({ phase, ...(phase === 'confirmed' ? { observer: 'gw1', evidence: 'gw1 has ended itself since: it found no store' } : {}) });
  });

  it.each([[6_000, 5_500, 'confirmed'], [1_000, 5_500, 'unconfirmed'], [6_000, 400, 'unconfirmed']] as const)('a gateway that the monitor does not count in is cut off once it has heard nothing for long enough since: %i ms after, silent for %i ms: %s', async (afterMs, monSilentMs, phase) => {
    const { faults, step, events, view } = board(new HollowLab(), 'partition.monitor');
    await faults.inject({ ...step, confirm: 'later' });
    const said: HistoryEvent = { type: 'gw.state', gateway: 'gw1', ana: {}, listeners: [], namespaces: 0, serving: false, storeEpoch: 1, monSilentMs, seq: 1, tUs: nowUs() + afterMs * 1_000, wallMs: 0, node: 'gw1', offUs: 0, errUs: 0 };
    view.apply(said);
    // It has ended itself for that, and its next incarnation has just begun to wait.
    view.apply({ ...said, monSilentMs: 10, tUs: said.tUs + 1_000_000 });
    await faults.confirmations();
    expect(events.at(-1)).toMatchObject({ phase, ...(phase === 'confirmed' ? { observer: 'gw1', evidence: expect.stringContaining('has heard nothing from the monitor for 5500 ms') as string } : {}) });
  });

  it('cuts every host off, and takes the cut for confirmed once none of them has a live controller', async () => {
    const lab = new HollowLab().addHost('host2');
    const { faults, step, events, view } = board(lab, 'partition.host', planOf('partition.host', 2));
    const at2 = (state: 'live' | 'connecting'): HistoryEvent => ({ ...controllerLost, host: 'host2', state });
    view.apply(controllerLost);
    view.apply(at2('live'));
    await faults.inject({ ...step, confirm: 'later' });
    expect(lab.calls).toEqual(['cut host1-gw1', 'cut host2-gw1']);
    view.apply(at2('connecting'));
    await faults.confirmations();
    expect(events.at(-1)).toMatchObject({ phase: 'confirmed', observer: 'host1, host2', evidence: 'the hosts’ controllers of gw1 are resetting, connecting' });
    // Only one of them is back.
    view.apply(at2('live'));
    await faults.heal('f');
    expect(lab.calls.slice(2)).toEqual(['heal host1-gw1', 'heal host2-gw1']);
    expect(events.at(-1)).toMatchObject({ phase: 'heal-unconfirmed' });
  });

  it('holds the writes of each namespace at the host that it belongs to', async () => {
    const lab = new HollowLab().addHost('host2');
    const { faults, step, events } = board(lab, 'host.hold-write', planOf('host.hold-write', 2, { namespaces: 6, anaGroups: 1 }));
    await faults.inject({ ...step, confirm: 'later' });
    expect(lab.calls).toEqual(['host1 holds 1,3,5 at gw1', 'host2 holds 2,4 at gw1']);
    expect(events[1]!.evidence).toMatch(/^withholding the data of 5 write\(s\)/);
    await faults.heal('f', 'later');
    expect(lab.calls.slice(2)).toEqual(['host1 releases', 'host2 releases']);
    expect(events.find(({ phase }) => phase === 'healed')!.evidence).toBe('sent the data of 2 held write(s), 0 had no connection any more');
    expect(lab.released).toEqual([false, false]);
    await faults.inject({ ...step, id: 'again', params: { unserved: true }, confirm: 'later' });
    await faults.heal('again', 'later');
    expect(lab.released.slice(2)).toEqual([true, true]);
  });

  it('confirms no more than that the fault is gone, where the plan wants no more', async () => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, 'gateway.kill');
    await faults.inject(step);
    lab.gateways.get('gw1')!.pid = process.pid;
    const before = Date.now();
    await faults.heal('f', 'gone');
    await faults.confirmations();
    expect(Date.now() - before).toBeLessThan(confirmTimeoutMs / 2);
    expect(events.at(-1)).toMatchObject({ phase: 'heal-confirmed', observer: 'kernel' });
  });

  it('confirms the heal of a kill by what the process has said of itself, if it ended since, and not by what it said before', async () => {
    const lab = new HollowLab();
    const { faults, step, events, view } = board(lab, 'gateway.kill');
    const said = (tUs: number): HistoryEvent => ({ type: 'gw.state', gateway: 'gw1', ana: {}, listeners: [], namespaces: 0, serving: true, storeEpoch: 1, monSilentMs: 0, seq: 1, tUs, wallMs: 0, node: 'gw1', offUs: 0, errUs: 0 });
    view.apply(said(nowUs()));
    await faults.inject(step);
    await faults.heal('f');
    expect(events.at(-1)).toMatchObject({ phase: 'heal-unconfirmed' });
    await faults.inject(step);
    const healing = faults.heal('f');
    await Promise.resolve();
    view.apply(said(nowUs() + 1));
    await healing;
    expect(events.at(-1)).toMatchObject({ phase: 'heal-confirmed', observer: 'gw1', evidence: 'gw1 has said of itself that it ran, and has ended since' });
  });

  it('does not call a pause healed while the kernel says that the process is stopped', async () => {
    const lab = new HollowLab();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    lab.gateways.get('gw1')!.pid = child.pid!;
    lab.gateways.get('gw1')!.pause = () => Promise.resolve(void child.kill('SIGSTOP'));
    const { faults, step, events } = board(lab, 'gateway.pause');
    try {
      await faults.inject(step);
      await faults.heal('f');
      expect(events.at(-1)).toMatchObject({ phase: 'heal-unconfirmed' });
      lab.gateways.get('gw1')!.resume = () => Promise.resolve(void child.kill('SIGCONT'));
      await faults.inject(step);
      await faults.heal('f');
      expect(events.at(-1)).toMatchObject({ phase: 'heal-confirmed', observer: 'kernel' });
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('tells a system that does not come back from a heal that did not take', async () => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, 'gateway.kill');
    await faults.inject(step);
    lab.gateways.get('gw1')!.pid = process.pid;
    await faults.heal('f');
    expect(events.at(-1)).toMatchObject({ phase: 'heal-confirmed', observer: 'kernel' });
    expect(events.at(-1)!.evidence).toContain('but the host’s controllers of it are none and the monitor says nothing');
  });

  it('leaves a confirmation for later where the step says so, and waits for it before the next step', async () => {
    const lab = new HollowLab();
    const { faults, step, events, view } = board(lab, 'gateway.kill');
    await faults.inject({ ...step, confirm: 'later' });
    expect(events.map((e) => e.phase)).toEqual(['injecting', 'injected']);
    view.apply(controllerLost);
    await faults.confirmations();
    expect(events.map((e) => e.phase)).toEqual(['injecting', 'injected', 'confirmed']);
  });

  it('injects nothing at a target whose last heal nobody has seen yet, and does not wait for other targets', async () => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, 'partition.host');
    await faults.inject(step);
    await faults.heal('f', 'gone');
    // Later: its own confirmation takes as long as that of the heal, and either may end first.
    await faults.inject({ ...step, id: 'other', target: 'gw2', confirm: 'later' });
    expect(events.at(-1)).toMatchObject({ id: 'other', phase: 'injected' });
    expect(events.some(({ id, phase }) => id === 'f' && phase.startsWith('heal-'))).toBe(false);
    await faults.inject({ ...step, id: 'next' });
    expect(events.filter(({ id, phase }) => (id === 'f' && phase === 'heal-unconfirmed') || (id === 'next' && phase === 'injecting')).map(({ id }) => id)).toEqual(['f', 'next']);
  });

  it('does not wait for a system to come back on which another fault still acts', async () => {
    const lab = new HollowLab();
    const { faults, step, events } = board(lab, 'gateway.kill');
    await faults.inject(step);
    await faults.inject({ ...step, id: 'cut', fault: 'partition.monitor' });
    lab.gateways.get('gw1')!.pid = process.pid;
    const before = Date.now();
    await faults.heal('f');
    expect(Date.now() - before).toBeLessThan(confirmTimeoutMs / 2);
    expect(events.at(-1)).toMatchObject({ id: 'f', phase: 'heal-confirmed', observer: 'kernel' });
  });

  it('confirms a kill by the host’s view and the kernel’s, not by its own word', async () => {
    const lab = new HollowLab();
    const { faults, step, events, view } = board(lab, 'gateway.kill');
    const injecting = faults.inject(step);
    setTimeout(() => view.apply(controllerLost), 20);
    await injecting;
    expect(events.at(-1)).toMatchObject({ phase: 'confirmed', observer: 'host1' });
    expect(events.at(-1)!.evidence).toContain('resetting');
  });

  it('heals what is left after an injection that failed half-way', async () => {
    const lab = new HollowLab();
    lab.failing = 'cut gw1-monitor';
    const { faults, step, events } = board(lab, 'partition.store-and-monitor');
    await expect(faults.inject(step)).rejects.toMatchObject({ code: 'INJECT_FAILED', exitCode: 3 });
    await faults.healAll();
    expect(lab.calls).toEqual(expect.arrayContaining(['heal gw1-store', 'heal gw1-monitor']));
    expect(events.at(-1)!.phase).toBe('healed');
    await faults.healAll();
    expect(lab.calls.filter((c) => c === 'heal gw1-store')).toHaveLength(1);
  });

  it('refuses a fault that the lab has no ability for, before anything is done', async () => {
    const lab = new HollowLab();
    (lab.abilities as Set<Ability>).delete('link.gateway-store');
    const { faults, step, events } = board(lab, 'partition.store');
    await expect(faults.inject(step)).rejects.toMatchObject({ code: 'MISSING_ABILITY' });
    expect(events).toEqual([]);
    expect(lab.calls).toEqual([]);
  });

  it('has a driver for every fault of the catalog', () => {
    expect(Object.keys(faultDrivers).sort()).toEqual([...faultNames].sort());
  });
});
