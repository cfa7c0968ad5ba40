import { describe, expect, it } from 'vitest';
import type { FioNode, Lab } from '../lab/types.js';
import { planScenario } from '../plan/planner.js';
import type { EventBody } from '../history/events.js';
import type { Plan } from '../plan/types.js';
import { RunFio } from './fio.js';

const plan = (fio: { name: string; host?: string }[]): Plan =>
  planScenario('s', { name: 'a', title: 'fio jobs', description: 'run fio.', lab: { hosts: 3 }, fio, steps: [{ do: 'run', forMs: 1 }] }, { seed: '1', lab: 'qemu' });

/** host1 and host2 can run fio, host3 cannot. */
function labOf(calls: string[], verified: Record<string, boolean> = {}, started: Record<string, boolean> = {}): Lab {
  const node = (name: string): FioNode => {
    const note = (call: string): Promise<void> => Promise.resolve(void calls.push(`${name} ${call}`));
    return { prepare: () => note('prepare'), start: () => note('start').then(() => started[name] ?? true), finish: () => note('finish'), stop: () => note('stop'), verify: () => note('verify').then(() => verified[name] ?? true), kill: () => note('kill') };
  };
  return { hosts: new Map<string, object>([['host1', { fio: node('host1') }], ['host2', { fio: node('host2') }], ['host3', {}]]) } as unknown as Lab;
}

describe('RunFio', () => {
  it('does everything on each host that has jobs, and on no other', async () => {
    const calls: string[] = [];
    const fio = new RunFio(plan([{ name: 'a' }, { name: 'b', host: 'host2' }]), labOf(calls), () => undefined);
    expect(fio.wanted).toBe(true);
    for (const step of ['prepare', 'start', 'finish', 'stop', 'verify', 'kill'] as const) await fio[step]();
    expect(calls).toEqual(['prepare', 'start', 'finish', 'stop', 'verify', 'kill'].flatMap((step) => [`host1 ${step}`, `host2 ${step}`]));
    calls.length = 0;
    await new RunFio(plan([{ name: 'b', host: 'host2' }]), labOf(calls), () => undefined).start();
    expect(calls).toEqual(['host2 start']);
  });

  it('says so when the verification of one of them was given up', async () => {
    const events: EventBody[] = [];
    const fio = new RunFio(plan([{ name: 'a' }, { name: 'b', host: 'host2' }]), labOf([], { host2: false }), (event) => events.push(event));
    await fio.verify();
    expect(events).toMatchObject([{ type: 'log', level: 'warn' }]);
  });

  it('says so when one of them does no I/O, and only then', async () => {
    const events: EventBody[] = [];
    await new RunFio(plan([{ name: 'a' }]), labOf([]), (event) => events.push(event)).start();
    expect(events).toEqual([]);
    await new RunFio(plan([{ name: 'a' }, { name: 'b', host: 'host2' }]), labOf([], {}, { host2: false }), (event) => events.push(event)).start();
    expect(events).toMatchObject([{ type: 'log', level: 'warn' }]);
    expect(JSON.stringify(events)).toContain('no I/O');
  });

  it('is infra when a host that has jobs cannot run any', () => {
    expect(() => new RunFio(plan([{ name: 'a' }, { name: 'c', host: 'host3' }]), labOf([]), () => undefined)).toThrow(/host3 of the qemu lab cannot run fio/);
  });
});
