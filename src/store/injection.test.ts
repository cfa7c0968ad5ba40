import { describe, expect, it } from 'vitest';
import { nowUs } from '../util/clock.js';
import { InjectionGate } from './injection.js';
import { until } from './store.test.kit.js';

interface Operation { address: string; clientName: string; mutation: boolean; n: number }
const operation = (n: number, more: Partial<Operation> = {}): Operation =>
  ({ address: '127.0.0.1:0/1', clientName: 'gw1', mutation: true, n, ...more });

function gate(): { gate: InjectionGate<Operation>; passed: number[] } {
  const passed: number[] = [];
  return { gate: new InjectionGate<Operation>((it) => passed.push(it.n)), passed };
}

describe('InjectionGate', () => {
  it('passes at once, in the same turn, when nothing is injected', () => {
    const { gate: one, passed } = gate();
    one.enter(operation(1));
    expect(passed).toEqual([1]);
  });

  it.each(['127.0.0.1:0/1', 'gw1', '*'])('holds the mutations of %s, not its reads and not others', (client) => {
    const { gate: one, passed } = gate();
    one.hold(client);
    one.enter(operation(1));
    one.enter(operation(2, { mutation: false }));
    one.enter(operation(3));
    if (client !== '*') one.enter(operation(4, { address: '127.0.0.1:0/2', clientName: 'gw2' }));
    expect(passed).toEqual(client === '*' ? [2] : [2, 4]);
    expect(one.held()).toEqual({ [client]: 2 });
    passed.length = 0;
    expect(one.release(client)).toBe(2);
    expect(passed).toEqual([1, 3]);
    one.enter(operation(5));
    expect(passed).toEqual([1, 3, 5]);
    expect(one.release(client)).toBe(0);
  });

  it('delays by at least the latency and keeps the order when the latency changes', async () => {
    const { gate: one, passed } = gate();
    one.setLatency(30);
    const fromUs = nowUs();
    one.enter(operation(1));
    one.setLatency(0);
    one.enter(operation(2));
    expect(passed).toEqual([]);
    await until(() => passed.length === 2);
    expect(passed).toEqual([1, 2]);
    expect(nowUs() - fromUs).toBeGreaterThanOrEqual(30_000);
    one.enter(operation(3));
    expect(passed).toEqual([1, 2, 3]);
  });

  it.each([-1, NaN, Infinity, 600_001])('refuses a latency of %d ms', (ms) => {
    expect(() => gate().gate.setLatency(ms)).toThrow(expect.objectContaining({ code: 'STORE_BAD_REQUEST' }));
  });
});
