import { describe, expect, it } from 'vitest';
import { judgeProgram, summarize } from '../lab/qemu/doctor.js';
import { reportLines } from './doctor.js';

const needed = { program: 'sqfstar', package: 'squashfs-tools', why: 'packs the image' };

describe('doctor', () => {
  it('shows what is missing, why it is needed and how to get it', () => {
    const text = reportLines(summarize('qemu', [judgeProgram(needed, undefined), judgeProgram({ ...needed, program: 'ssh' }, '/usr/bin/ssh')], null)).join('\n');
    expect(text).toContain('qemu: not ready');
    expect(text).toContain('✗ sqfstar  packs the image (package squashfs-tools)');
    expect(text).toContain('✓ ssh      /usr/bin/ssh');
    expect(text).toContain('install: apt-get install -y --no-install-recommends squashfs-tools');
  });

  it('has nothing to install where nothing is missing', () => {
    const text = reportLines(summarize('qemu', [judgeProgram(needed, '/usr/bin/sqfstar'), { what: 'KVM', state: 'note', detail: 'not used' }], null)).join('\n');
    expect(text).toContain('qemu: ready');
    expect(text).not.toContain('install');
  });
});
