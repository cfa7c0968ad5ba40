import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exampleInventory } from '../lab/inventory/testing/example.js';
import { FakeSsh } from '../lab/inventory/testing/fake-ssh.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('commands on an inventory', () => {
  let dir: string;
  let ssh: FakeSsh;
  let file: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppcli-'));
    ssh = new FakeSsh(dir);
    file = join(dir, 'rack.yaml');
    writeFileSync(file, exampleInventory);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const pathproof = (...words: string[]) => execa(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...words], {
    cwd: root, reject: false, env: { PATH: `${ssh.bin}:${process.env['PATH']}`, PATHPROOF_STATE: join(dir, 'state') },
  });

  it('print what a run would do, and do nothing of it', async () => {
    const { exitCode, stdout } = await pathproof('run', 'smoke', '--lab', 'inventory', '--inventory', file, '--seed', 's', '--results', join(dir, 'results'), '--dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^# gw[12]: gateway\.kill: PID is its process \(fault\)\nkill -KILL PID$/m);
    expect(stdout).toMatch(/^# host1: host program and its folders \(undo\)$/m);
    expect(ssh.calls).toEqual([]);
    expect(existsSync(join(dir, 'results'))).toBe(false);
    expect(existsSync(join(dir, 'state'))).toBe(false);
  }, 300_000);

  it('refuse what does not fit', async () => {
    const [noFile, otherLab, dry, mistake, nothing] = await Promise.all([
      pathproof('run', 'smoke', '--lab', 'inventory'), pathproof('run', 'smoke', '--inventory', file), pathproof('run', 'smoke', '--dry-run'),
      (writeFileSync(join(dir, 'bad.yaml'), exampleInventory.replace('roles: [ceph]', 'roles: [cephalopod]')), pathproof('inventory', 'check', join(dir, 'bad.yaml'))),
      pathproof('lab', 'heal', '--inventory', file),
    ]);
    expect([noFile.exitCode, noFile.stderr]).toEqual([64, expect.stringContaining('[NO_INVENTORY]')]);
    expect([otherLab.exitCode, otherLab.stderr]).toEqual([64, expect.stringContaining('[INVENTORY_LAB]')]);
    expect([dry.exitCode, dry.stderr]).toEqual([64, expect.stringContaining('[DRY_RUN]')]);
    expect([mistake.exitCode, mistake.stderr]).toEqual([64, expect.stringMatching(/bad\.yaml:7:13: hosts\.ceph\.roles\.0/)]);
    expect([nothing.exitCode, nothing.stdout]).toEqual([0, 'nothing is left to be undone']);
    expect(ssh.calls).toEqual([]);
  }, 300_000);
});
