import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HostConnections } from './hosts.js';
import { journalFile, readJournal, UndoJournal } from './journal.js';
import { FakeSsh } from './testing/fake-ssh.js';
import { healInventory, undoAll } from './undo.js';

const inventory = { name: 'rack', file: '/tmp/rack.yaml' };
const change = (what: string, command = `rm -f "$PP_HOST/${what}"`, host = 'gw1') => ({ host, route: { destination: host }, what, command });

describe('the journal of undo steps', () => {
  let dir: string;
  let ssh: FakeSsh;
  let hosts: HostConnections;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppundo-'));
    ssh = new FakeSsh(dir);
    vi.stubEnv('PATHPROOF_STATE', join(dir, 'state'));
    vi.stubEnv('PATH', `${ssh.bin}:${process.env['PATH']}`);
    hosts = new HostConnections();
  });
  afterEach(() => {
    hosts.close();
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true, force: true });
  });

  it('has a step on disk before the change, and is gone when all is undone', async () => {
    const journal = UndoJournal.begin(inventory);
    journal.note(change('one'));
    expect(readJournal('rack').open.map(({ what }) => what)).toEqual(['one']);
    journal.note(change('two'));
    const results = await undoAll(journal, hosts);
    expect(results.map(({ entry, problem }) => [entry.what, problem])).toEqual([['two', undefined], ['one', undefined]]);
    expect(ssh.calls.map(({ command }) => command)).toEqual(['rm -f "$PP_HOST/two"', 'rm -f "$PP_HOST/one"']);
    journal.close();
    expect(existsSync(journalFile('rack'))).toBe(false);
  });

  it('keeps a step that failed, goes on with the others, and does only that one the next time', async () => {
    const journal = UndoJournal.begin(inventory);
    journal.note(change('first'));
    journal.note(change('bad', 'test -e "$PP_HOST/mended"'));
    journal.note(change('last', 'true', 'gw2'));
    expect((await undoAll(journal, hosts)).map(({ entry, problem }) => [entry.what, problem === undefined])).toEqual([['last', true], ['bad', false], ['first', true]]);
    journal.close();
    expect(() => UndoJournal.begin(inventory)).toThrow(/1 change\(s\) of a killed run are still there/);
    await hosts.run('gw1', { destination: 'gw1' }, 'touch "$PP_HOST/mended"');
    expect((await healInventory('rack', hosts)).map(({ entry, problem }) => [entry.what, problem])).toEqual([['bad', undefined]]);
    expect(await healInventory('rack', hosts)).toEqual([]);
  });

  it('keeps the steps of a host that cannot be reached', async () => {
    const journal = UndoJournal.begin(inventory);
    journal.note(change('far', 'true', 'gw2'));
    ssh.down('gw2');
    const [result] = await undoAll(journal, hosts);
    expect(result!.problem).toMatch(/gw2/);
    journal.close();
    expect(readJournal('rack').open).toHaveLength(1);
  });

  it('does without a last line that is not whole, and refuses a line that is none of its', async () => {
    const journal = UndoJournal.begin(inventory);
    journal.note(change('one', 'true'));
    journal.close();
    appendFileSync(journalFile('rack'), '{"kind":"undo","id":2,"at":"x","ho');
    expect(readJournal('rack').open.map(({ what }) => what)).toEqual(['one']);
    expect(await healInventory('rack', hosts)).toHaveLength(1);
    const other = UndoJournal.begin(inventory);
    other.note(change('two', 'true'));
    other.close();
    appendFileSync(journalFile('rack'), 'something else\n');
    expect(() => readJournal('rack')).toThrow(/undo\.ndjson:3 is no line of a journal/);
  });

  it('runs what belongs to this machine here', async () => {
    const journal = UndoJournal.begin(inventory);
    journal.note({ host: 'harness', route: null, what: 'power', command: `echo on >${dir}/power` });
    await undoAll(journal, hosts);
    journal.close();
    expect(readFileSync(join(dir, 'power'), 'utf8')).toBe('on\n');
    expect(ssh.calls).toEqual([]);
  });

  it('is executed by heal after its run was killed, and by nobody while it runs', async () => {
    const run = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('testing/killed-run.ts', import.meta.url))], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) => run.stdout.once('data', () => resolve()));
    for (const [host, what] of [['gw1', 'first'], ['gw2', 'second'], ['gw1', 'third']] as const) expect(existsSync(join(dir, host, what))).toBe(true);
    await expect(healInventory('rack', hosts)).rejects.toMatchObject({ code: 'INVENTORY_BUSY', exitCode: 3 });
    expect(() => UndoJournal.begin(inventory)).toThrow(/are used by a pathproof that runs/);

    const ended = new Promise((resolve) => run.once('exit', resolve));
    run.kill('SIGKILL');
    await ended;
    const results = await healInventory('rack', hosts);
    expect(results.map(({ entry, problem }) => [entry.host, entry.what, problem])).toEqual([['gw2', 'fourth', undefined], ['gw1', 'third', undefined], ['gw2', 'second', undefined], ['gw1', 'first', undefined]]);
    for (const [host, what] of [['gw1', 'first'], ['gw2', 'second'], ['gw1', 'third'], ['gw2', 'fourth']] as const) expect(existsSync(join(dir, host, what))).toBe(false);
    UndoJournal.begin(inventory).close();
  }, 120_000);
});
