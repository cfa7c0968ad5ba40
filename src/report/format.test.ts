import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatMoment, formatSpan } from './format.js';

describe('numbers in words', () => {
  it.each([
    [0, '0'], [0.4, '0.4 µs'], [840, '840 µs'], [999.6, '1.00 ms'], [12_345, '12.3 ms'], [999_600, '1.00 s'], [1_834_000, '1.83 s'], [17_600_000, '17.6 s'],
    [125_000_000, '2 min 05 s'], [7_260_000_000, '2 h 01 min'], [-1_500, '−1.50 ms'], [Infinity, '–'],
  ])('a span of %d µs is %s', (us, text) => expect(formatSpan(us)).toBe(text));

  it('never shows four digits where a larger unit fits', () => {
    for (let us = 1; us < 1e9; us = Math.ceil(us * 1.013)) expect(formatSpan(us)).not.toMatch(/\d{4}/);
  });

  it('shows moments, counts and sizes', () => {
    expect(formatMoment(12_345_678)).toBe('12.346 s');
    expect(formatCount(1_204_332)).toBe('1,204,332');
    expect(formatCount(999)).toBe('999');
    expect(formatCount(-1_234.5678)).toBe('-1,234.568');
    expect(formatBytes(512)).toBe('512 B');
    expect(formatBytes(4_096)).toBe('4.0 KiB');
    expect(formatBytes(1.5 * 2 ** 30)).toBe('1.5 GiB');
  });
});
