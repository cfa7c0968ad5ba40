import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.js';
import { provenRun, readEvents, readVerdict, runDirs, sandbox, type Sandbox } from './pathproof.js';

/** The whole failover suite once, and what must be seen in each scenario's history besides its verdict. */
let box: Sandbox;
const runs = new Map<string, { dir: string; plan: Plan }>();

beforeAll(async () => {
  box = sandbox();
  const result = await provenRun(box, 'failover', '--seed', 'e2e', '--junit', join(box.dir, 'junit.xml'));
  // A scenario that this lab cannot run leaves only the note that it was skipped.
  for (const dir of runDirs(box).filter((each) => existsSync(join(each, 'plan.json')))) {
    const plan = JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')) as Plan;
    runs.set(plan.scenario, { dir, plan });
  }
  expect(result.code, result.stdout + result.stderr).toBe(0);
}, 600_000);
afterAll(() => box.remove());

function eventsOf(scenario: string) {
  const run = runs.get(scenario)!;
  const target = run.plan.steps.flatMap((s) => (s.do === 'inject' ? [s.target] : []))[0]!;
  const group = run.plan.topology.gateways.find((g) => g.name === target)!.anaGroup;
  return { ...run, target, group, events: readEvents(run.dir) };
}

describe('failover suite', () => {
  it.each(['gateway-dead', 'gateway-removed', 'listeners-removed', 'partition-store', 'partition-monitor', 'partition-both'])('%s passes', (scenario) => {
    const verdict = readVerdict(runs.get(scenario)!.dir);
    expect(verdict.checks.filter((c) => c.verdict !== 'pass').map((c) => `${c.checker}: ${c.summary}`)).toEqual([]);
    expect(verdict.verdict).toBe('pass');
  });

  it.each(['gateway-dead', 'gateway-removed', 'partition-monitor', 'partition-both'])('%s blocklists the old owner before the takeover', (scenario) => {
    const { events, target, group } = eventsOf(scenario);
    const fenced = events.findIndex((e) => e.type === 'store.state' && e.blocklist.length > 0);
    const taken = events.findIndex((e) => e.type === 'mon.map' && e.gateways.some((g) => g.id !== target && g.states[String(group)] === 'ACTIVE'));
    expect(fenced).toBeGreaterThan(0);
    expect(taken).toBeGreaterThan(fenced);
  });

  it('listeners-removed takes over without a blocklist', () => {
    const { events, target, group } = eventsOf('listeners-removed');
    expect(events.some((e) => e.type === 'store.state' && e.blocklist.length > 0)).toBe(false);
    expect(events.some((e) => e.type === 'mon.map' && e.gateways.some((g) => g.id !== target && g.states[String(group)] === 'ACTIVE'))).toBe(true);
  });

  it.each(['partition-monitor', 'partition-both'])('%s: the cut-off gateway itself hears nothing from the monitor', (scenario) => {
    const { events, target } = eventsOf(scenario);
    const between = (e: { seq: number }) => e.seq > events.find((x) => x.type === 'fault' && x.phase === 'injected')!.seq && e.seq < events.find((x) => x.type === 'fault' && x.phase === 'healing')!.seq;
    const silent = events.flatMap((e) => (e.type === 'gw.state' && e.gateway === target && between(e) ? [e.monSilentMs ?? 0] : []));
    // Far longer than the quarter second between two beacons.
    expect(Math.max(...silent)).toBeGreaterThan(1_000);
  });

  it('listeners-removed leaves the gateway alive without a listener, by its own word, and gives it one again', () => {
    const { events, target } = eventsOf('listeners-removed');
    const counts = events.flatMap((e) => (e.type === 'gw.state' && e.gateway === target ? [e.listeners.length] : []));
    expect(counts).toContain(0);
    expect(counts.at(-1)).toBe(1);
    expect(events.some((e) => e.type === 'node' && e.name === target && (e.state === 'killed' || e.state === 'exited') && e.expected !== true)).toBe(false);
  });

  it('partition-store moves nothing and stalls for as long as the cut lasts', () => {
    const { events, target, group, dir } = eventsOf('partition-store');
    expect(events.some((e) => e.type === 'mon.map' && e.gateways.some((g) => g.id !== target && g.states[String(group)] === 'ACTIVE'))).toBe(false);
    expect(readVerdict(dir).checks.find((c) => c.checker === 'availability')!.metrics['stallMaxMs']).toBeGreaterThan(3_500);
  });

  it('gateway-removed shows the gateway DELETING or gone before it is created again', () => {
    const { events, target } = eventsOf('gateway-removed');
    const injected = events.find((e) => e.type === 'fault' && e.phase === 'injected')!;
    const healing = events.find((e) => e.type === 'fault' && e.phase === 'healing')!;
    const maps = events.filter((e) => e.type === 'mon.map' && e.seq > injected.seq && e.seq < healing.seq);
    expect(maps.some((e) => e.type === 'mon.map' && (e.gateways.find((g) => g.id === target)?.availability ?? 'DELETING') === 'DELETING')).toBe(true);
  });

  it('writes JUnit with one case for each scenario', () => {
    const xml = readFileSync(join(box.dir, 'junit.xml'), 'utf8');
    // One of the nine wants machines that can be switched off, and two want cephadm.
    expect(xml.match(/<testcase /g)).toHaveLength(9);
    expect(xml.match(/<skipped/g)).toHaveLength(3);
    expect(xml).toContain('failures="0"');
  });
});
