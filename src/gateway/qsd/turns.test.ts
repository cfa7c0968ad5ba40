import { describe, expect, it } from 'vitest';
import { aFewAtOnce, neighbours } from './turns.js';

describe('a few at once', () => {
  it('does all of them, and never more at the same time', async () => {
    const done: number[] = [];
    let now = 0;
    let most = 0;
    await aFewAtOnce([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, item === 1 ? 20 : 1));
      now -= 1;
      done.push(item);
    });
    expect([...done].sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
    await aFewAtOnce([], 3, () => Promise.reject(new Error('nobody')));
  });

  it('ends with the first error', async () => {
    await expect(aFewAtOnce([1, 2, 3], 2, (item) => (item === 2 ? Promise.reject(new Error('two')) : Promise.resolve()))).rejects.toThrow('two');
  });
});

describe('neighbours', () => {
  it('go round, and are all of them where there are few', () => {
    expect(neighbours(['a', 'b', 'c'], 2, 2)).toEqual(['c', 'a']);
    expect(neighbours(['a', 'b', 'c'], 1, 16)).toEqual(['b', 'c', 'a']);
    expect(neighbours([], 0, 16)).toEqual([]);
  });
});
