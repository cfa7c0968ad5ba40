import { describe, expect, it } from 'vitest';
import { override } from './override.js';

class Counter {
  #count = 0;
  add(n: number): number {
    return (this.#count += n);
  }
  addTwice(n: number): number {
    this.add(n);
    return this.add(n);
  }
  get count(): number {
    return this.#count;
  }
}

describe('override', () => {
  it('replaces what is named and leaves the rest, private state included', () => {
    const real = new Counter();
    const changed = override(real, { add: (n) => -n });
    expect(changed.add(3)).toBe(-3);
    expect(changed.addTwice(2)).toBe(4);
    expect(changed.count).toBe(4);
    expect(real.count).toBe(4);
  });
});
