import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { UntilBoot } from './until-boot.js';

describe('UntilBoot', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pathproof-test-'));
    vi.stubEnv('XDG_CACHE_HOME', dir);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true });
  });
  const found = (): UntilBoot<number> => new UntilBoot('found.json', z.number());

  it('remembers, also for the next process', () => {
    expect(found().get()).toBeUndefined();
    found().set(7);
    expect(found().get()).toBe(7);
  });

  it('forgets with the next boot, and whatever it cannot read', () => {
    found().set(7);
    const file = join(dir, 'pathproof', 'found.json');
    const memory = JSON.parse(readFileSync(file, 'utf8')) as object;
    for (const other of [JSON.stringify({ ...memory, bootId: 'another' }), JSON.stringify({ ...memory, value: 'seven' }), '{']) {
      writeFileSync(file, other);
      expect(found().get()).toBeUndefined();
    }
  });

  it('does without a folder that it can write to', () => {
    writeFileSync(join(dir, 'pathproof'), 'a file');
    found().set(7);
    expect(found().get()).toBeUndefined();
  });
});
