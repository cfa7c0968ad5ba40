import { describe, expect, it } from 'vitest';
import { isLinearizable } from './brute-force.js';
import type { RegisterOp } from './brute-force.js';

const w = (value: number, fromUs: number, toUs: number): RegisterOp => ({ what: 'write', value, fromUs, toUs });
const r = (value: number, fromUs: number, toUs: number): RegisterOp => ({ what: 'read', value, fromUs, toUs });

describe('isLinearizable', () => {
  it.each<[string, boolean, RegisterOp[]]>([
    ['nothing', true, []],
    ['the initial value', true, [r(0, 1, 2)]],
    ['a value that was never written', false, [r(1, 1, 2)]],
    ['a write and its read', true, [w(1, 1, 2), r(1, 3, 4)]],
    ['an old value after an acknowledged write', false, [w(1, 1, 2), r(0, 3, 4)]],
    ['an old value during a write', true, [w(1, 1, 5), r(0, 3, 4)]],
    ['new, then old, during a write', false, [w(1, 1, 9), r(1, 2, 3), r(0, 4, 5)]],
    ['a write without an end that is seen late', true, [w(1, 1, Infinity), w(2, 2, 3), r(2, 4, 5), r(1, 6, 7)]],
    ['a write without an end that is never seen', true, [w(1, 1, Infinity), r(0, 6, 7)]],
    ['a write without an end that changes its mind', false, [w(1, 1, Infinity), w(2, 2, 3), r(1, 4, 5), r(2, 6, 7), r(1, 8, 9)]],
    ['a tie counts as concurrent', true, [w(1, 1, 3), r(0, 3, 4)]],
    ['a read before its write', false, [r(1, 1, 2), w(1, 3, 4)]],
  ])('%s: %s', (_name, right, ops) => {
    expect(isLinearizable(ops)).toBe(right);
  });
});
