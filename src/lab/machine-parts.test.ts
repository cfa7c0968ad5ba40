import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isPopulated, removeMachineParts } from './machine-parts.js';
import { findLabs, LabRegistration, removeLab, stillUp } from './registry.js';

describe('machine parts', () => {
  let dir: string;
  let before: string | undefined;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pathproof-test-'));
    before = process.env['PATHPROOF_STATE'];
    process.env['PATHPROOF_STATE'] = dir;
  });
  afterEach(() => {
    if (before === undefined) delete process.env['PATHPROOF_STATE'];
    else process.env['PATHPROOF_STATE'] = before;
    rmSync(dir, { recursive: true, force: true });
  });

  it('are in the record before they exist, each once, and go with it', async () => {
    const registration = new LabRegistration('native', dir, []);
    const cgroup = join(dir, 'no-such-group');
    registration.addParts({ cgroups: [cgroup] });
    registration.addParts({ cgroups: [cgroup], loopFiles: [join(dir, 'no-such-file')] });
    const [lab] = findLabs();
    expect(lab!.record.parts).toEqual({ cgroups: [cgroup], loopFiles: [join(dir, 'no-such-file')] });
    expect(stillUp(lab!)).toBe(false);
    expect(await removeLab(lab!)).toEqual({ ended: [] });
    expect(findLabs()).toEqual([]);
  });

  it('of a lab that is taken over stay in its record', () => {
    const parts = { cgroups: [join(dir, 'group')], loopFiles: [] };
    new LabRegistration('native', dir, []).addParts(parts);
    const adopted = LabRegistration.adopt(findLabs()[0]!);
    expect(adopted.parts).toEqual(parts);
    expect(findLabs()).toHaveLength(1);
  });

  it('count as up as long as a control group has processes', () => {
    writeFileSync(join(dir, 'cgroup.events'), 'populated 1\nfrozen 0\n');
    expect(isPopulated(dir)).toBe(true);
    new LabRegistration('native', dir, []).addParts({ cgroups: [dir] });
    expect(stillUp(findLabs()[0]!)).toBe(true);
    writeFileSync(join(dir, 'cgroup.events'), 'populated 0\nfrozen 0\n');
    expect(stillUp(findLabs()[0]!)).toBe(false);
  });

  it('that are gone already need no removal', async () => {
    expect(await removeMachineParts({ cgroups: [join(dir, 'gone')], loopFiles: [join(dir, 'gone')] })).toEqual([]);
    expect(existsSync(dir)).toBe(true);
  });
});
