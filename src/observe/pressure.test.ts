import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { readCpuPressureUs, watchPressure } from './pressure.js';

describe('cpu pressure', () => {
  it('is the total of the some line, and unknown where there is none', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pathproof-psi-'));
    const file = join(dir, 'cpu');
    writeFileSync(file, 'some avg10=1.21 avg60=0.48 avg300=0.43 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n');
    expect(readCpuPressureUs(file)).toBe(123_456);
    expect(readCpuPressureUs(join(dir, 'none'))).toBeUndefined();
    writeFileSync(file, 'nothing of the kind\n');
    expect(readCpuPressureUs(file)).toBeUndefined();
    rmSync(dir, { recursive: true });
  });

  it('is told as the share of the time', async () => {
    const events: Extract<EventBody, { type: 'machine.pressure' }>[] = [];
    const startedMs = performance.now();
    // A kernel that counts one microsecond of waiting for each two that pass.
    const stop = watchPressure((event) => events.push(event), () => Math.round((performance.now() - startedMs) * 500));
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stop();
    expect(events[0]!.cpuWaitPercent).toBeGreaterThan(45);
    expect(events[0]!.cpuWaitPercent).toBeLessThan(55);
    expect(events[0]!.toUs).toBeGreaterThan(events[0]!.fromUs);
  });

  it('says nothing where the kernel does not', () => {
    watchPressure(() => { throw new Error('an event'); }, () => undefined)();
  });
});
