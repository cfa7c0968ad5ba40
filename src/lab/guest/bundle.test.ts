import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleGuestEntry, containerEntries, guestEntries } from './bundle.js';

/**
 * What a guest has to parse before anything happens. A gateway starts again with every heal and is free of the schema
 * library (600 kB with it); a host's program starts once and checks what it is asked with it. A container's
 * runs on a processor that nobody emulates.
 */
const sizeMaxBytes = { 'gateway': 250_000, 'spdk-gateway': 250_000, 'host': 650_000, 'cephadm-gateway': 900_000 };
/** What each says when it is told nothing: its imports are all there. */
const complaint = { 'gateway': 'the first argument is the path of the config', 'spdk-gateway': 'the first argument is the path of the config', 'host': 'the first argument is the path of the config', 'cephadm-gateway': 'usage: gateway.mjs -c ceph-nvmeof.conf' };

describe.each([...guestEntries, ...containerEntries])('the program of a %s', (entry) => {
  let dir: string;
  beforeAll(() => { dir = mkdtempSync(join(tmpdir(), 'pathproof-bundle-')); });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('is one small file, equal each time, that needs no other', async () => {
    const { code, sha256 } = await bundleGuestEntry(entry);
    expect(code.length).toBeLessThan(sizeMaxBytes[entry]);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await bundleGuestEntry(entry)).toEqual({ code, sha256 });
    const file = join(dir, `${entry}.mjs`);
    writeFileSync(file, code);
    // It runs as far as it can without a config: all its imports are there.
    const { status, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', cwd: dir });
    expect(stderr).toContain(complaint[entry]);
    expect(status).toBe(1);
  });
});
