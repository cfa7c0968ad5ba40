import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { qemuProgram } from './accel.js';
import { findProgram } from './tools.js';
import { measureTscKhz, tscFirmware, tscKhzOf } from './tsc.js';

describe('tscKhzOf', () => {
  it('finds the frequency however late readings come, if some come at once', () => {
    fc.assert(fc.property(
      fc.integer({ min: 500_000, max: 5_000_000 }), fc.array(fc.double({ min: 0, max: 80, noNaN: true }), { minLength: 40, maxLength: 120 }), fc.integer({ min: 0, max: 2 ** 52 }),
      (khz, delays, first) => {
        // Every fifth one is not late.
        const readings = delays.map((delayMs, i) => ({ ticks: first + Math.round(i * 10 * khz), tMs: 1_000 + i * 10 + (i % 5 === 0 ? 0 : delayMs) }));
        expect(Math.abs(tscKhzOf(readings)! / khz - 1)).toBeLessThan(1e-6);
      },
    ));
  });

  it('does not guess from a few readings, or from readings at one moment', () => {
    expect(tscKhzOf([{ ticks: 0, tMs: 0 }, { ticks: 1_000_000, tMs: 1 }])).toBeUndefined();
    expect(tscKhzOf(Array.from({ length: 50 }, () => ({ ticks: 7, tMs: 3 })))).toBeUndefined();
  });
});

describe('tscFirmware', () => {
  it('is one image of 64 KiB whose reset vector jumps to its start', () => {
    const image = tscFirmware();
    expect(image.length).toBe(65_536);
    expect(image[0xfff0]).toBe(0xe9);
    expect((0xfff3 + image.readInt16LE(0xfff1)) & 0xffff).toBe(0);
  });

  it.skipIf(findProgram(qemuProgram) === undefined)('twice measured with the real QEMU it is the same frequency', async () => {
    const [one, two] = [await measureTscKhz(), await measureTscKhz()];
    expect(one).toBeGreaterThan(100_000);
    // The kernel takes what differs by less than a hundredth from what it measures itself later.
    expect(Math.abs(one! / two! - 1)).toBeLessThan(0.01);
  }, 30_000);
});
