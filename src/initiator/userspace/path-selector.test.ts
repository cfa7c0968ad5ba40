import { describe, expect, it } from 'vitest';
import { PathSelector } from './path-selector.js';
import type { PathView, SelectorOptions } from './path-selector.js';

interface TestPath extends PathView { name: string; usable: boolean; optimized: boolean; inflight: number }

const path = (name: string, state: 'optimized' | 'non-optimized' | 'unusable' = 'optimized'): TestPath =>
  ({ name, usable: state !== 'unusable', optimized: state === 'optimized', inflight: 0, controllerName: name, gateway: `gw-${name}` });
const selector = (options: Partial<SelectorOptions> = {}): PathSelector<TestPath> =>
  new PathSelector({ policy: 'numa', preferred: null, autoFailback: true, minFailoverIntervalMs: 0, ...options });
const names = (paths: readonly TestPath[]): string[] => paths.map((candidate) => candidate.name);

describe('PathSelector', () => {
  it('numa: the first of the better class; sticky within it', () => {
    const s = selector();
    const [a, b, c] = [path('a', 'non-optimized'), path('b'), path('c')];
    expect(s.update([a], 0).move).toEqual({ from: null, to: a, voluntary: false });
    expect(s.update([a, c], 0).move).toEqual({ from: a, to: c, voluntary: true });
    expect(s.update([a, b, c], 0).move).toBe(null);
    c.optimized = false;
    expect(s.update([a, b, c], 0).move).toEqual({ from: c, to: b, voluntary: true });
    b.usable = false;
    expect(s.update([a, b, c], 0).move).toEqual({ from: b, to: a, voluntary: false });
    a.usable = c.usable = false;
    expect(s.update([a, b, c], 0).move).toEqual({ from: a, to: null, voluntary: false });
    expect(s.pick()).toBe(null);
    b.usable = true;
    expect(s.update([a, b, c], 0).move).toEqual({ from: null, to: b, voluntary: false });
  });

  it.each(['round-robin', 'queue-depth'] as const)('%s: all of the better class, a change within it is no move', (policy) => {
    const s = selector({ policy });
    const [a, b, c] = [path('a'), path('b'), path('c', 'non-optimized')];
    s.update([a, b, c], 0);
    expect(names(s.active)).toEqual(['a', 'b']);
    b.usable = false;
    expect(s.update([a, b, c], 0).move).toBe(null);
    a.usable = false;
    expect(s.update([a, b, c], 0).move).toEqual({ from: a, to: c, voluntary: false });
    expect(names(s.active)).toEqual(['c']);
    a.usable = b.usable = true;
    expect(s.update([a, b, c], 0).move).toMatchObject({ from: c, voluntary: true });
  });

  it('round-robin picks in turn, queue-depth the least busy', () => {
    const [a, b, c] = [path('a'), path('b'), path('c')];
    const turn = selector({ policy: 'round-robin' });
    turn.update([a, b, c], 0);
    expect(names([turn.pick()!, turn.pick()!, turn.pick()!, turn.pick()!])).toEqual(['b', 'c', 'a', 'b']);
    const depth = selector({ policy: 'queue-depth' });
    depth.update([a, b, c], 0);
    [a.inflight, b.inflight, c.inflight] = [3, 1, 2];
    expect(depth.pick()).toBe(b);
  });

  it('prefers by controller or gateway name within the class, never across it', () => {
    for (const preferred of ['b', 'gw-b']) {
      const s = selector({ preferred });
      const [a, b] = [path('a'), path('b', 'non-optimized')];
      s.update([a, b], 0);
      expect(s.current).toBe(a);
      b.optimized = true;
      expect(s.update([a, b], 0).move).toEqual({ from: a, to: b, voluntary: true });
    }
    const s = selector({ preferred: 'b', autoFailback: false });
    const [a, b] = [path('a'), path('b', 'unusable')];
    s.update([a, b], 0);
    b.usable = b.optimized = true;
    expect(s.update([a, b], 0).move).toBe(null);
  });

  it('puts off a voluntary move for the interval after the last move, and no forced one', () => {
    const s = selector({ minFailoverIntervalMs: 1_000 });
    const [a, b] = [path('a', 'non-optimized'), path('b', 'unusable')];
    s.update([a, b], 0);
    // The first choice is no move: the upgrade is allowed at once.
    b.usable = b.optimized = true;
    expect(s.update([a, b], 10).move).toMatchObject({ to: b });
    b.usable = false;
    expect(s.update([a, b], 20)).toMatchObject({ move: { to: a, voluntary: false } });
    b.usable = true;
    expect(s.update([a, b], 30)).toEqual({ move: null, reevaluateAtUs: 1_000_020 });
    expect(s.pick()).toBe(a);
    expect(s.update([a, b], 1_000_020)).toMatchObject({ move: { to: b, voluntary: true }, reevaluateAtUs: null });
  });
});
