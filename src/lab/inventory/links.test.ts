import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ExecResult, SshConnection } from '../ssh/connection.js';
import { Changes } from './changes.js';
import { cutLink, linkCounters } from './commands.js';
import { hostNamed, parseInventory } from './file.js';
import { readJournal, UndoJournal } from './journal.js';
import { NftLinks } from './links.js';
import { InventoryMachine } from './machine.js';
import { exampleInventory } from './testing/example.js';

const inventory = parseInventory(exampleInventory, 'i.yaml');

describe('faults on hosts of an inventory', () => {
  let state: string;
  let journal: UndoJournal;
  let changes: Changes;
  /** What was run, and what of it was noted in the journal at that moment. */
  const ran: { host: string; command: string; noted: string[] }[] = [];
  let answer: (command: string) => { stdout?: string; exitCode?: number };
  const hosts = {
    run: (host: string, _route: unknown, command: string): Promise<ExecResult> => {
      ran.push({ host, command, noted: readJournal('rack').open.map(({ what }) => what) });
      const { stdout = '', exitCode = 0 } = answer(command);
      return Promise.resolve({ stdout, stderr: '', exitCode, ms: 1 });
    },
  };

  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'pplinks-'));
    vi.stubEnv('PATHPROOF_STATE', state);
    journal = UndoJournal.begin({ name: 'rack', file: 'i.yaml' });
    changes = new Changes(inventory, journal, hosts);
    ran.length = 0;
    answer = () => ({});
  });
  afterEach(() => {
    journal.close();
    vi.unstubAllEnvs();
    rmSync(state, { recursive: true, force: true });
  });

  it('cut a link only once its undo is noted, and heal it by that', async () => {
    const links = new NftLinks(inventory, changes, hosts);
    await links.cut('gw1-monitor', 'drop', 'forward');
    const { command, undo } = cutLink(inventory, 'gw1-monitor', 'forward');
    expect(ran).toEqual([{ host: 'gw1', command, noted: ['link gw1-monitor cut (forward)'] }]);
    expect(command).toContain('ip daddr { 192.0.2.11 }');
    expect(command).not.toContain('saddr');
    await expect(links.cut('gw1-monitor', 'drop', 'both')).rejects.toThrow(/is cut already/);
    await links.heal('gw1-monitor');
    await links.heal('gw1-monitor');
    expect(ran.slice(1).map((each) => each.command)).toEqual([undo]);
    expect(journal.open).toEqual([]);
  });

  it('keep the note of a link whose healing failed', async () => {
    const links = new NftLinks(inventory, changes, { run: hosts.run });
    await links.cut('host1-gw2', 'drop', 'both');
    answer = () => {
      throw new Error('no route');
    };
    await expect(links.heal('host1-gw2')).rejects.toThrow('no route');
    expect(journal.open.map(({ host, what }) => `${host}: ${what}`)).toEqual(['host1: link host1-gw2 cut (both)']);
  });

  it('refuse a reset, which a packet filter of the one end cannot do to both', async () => {
    await expect(new NftLinks(inventory, changes, hosts).cut('gw1-store', 'reset', 'both')).rejects.toThrow(/only dropped/);
    expect(journal.open).toEqual([]);
  });

  it('count what was dropped', async () => {
    const links = new NftLinks(inventory, changes, hosts);
    expect(await links.stats('gw1-store')).toMatchObject({ cut: null });
    await links.cut('gw1-store', 'drop', 'both');
    const rule = (chain: string, bytes: number) => ({ rule: { chain, expr: [{ match: {} }, { counter: { packets: 1, bytes } }, { drop: null }] } });
    answer = (command) => (command === linkCounters('gw1-store') ? { stdout: JSON.stringify({ nftables: [{ metainfo: {} }, { chain: {} }, rule('out', 840), rule('in', 12)] }) } : {});
    expect(await links.stats('gw1-store')).toMatchObject({ cut: { mode: 'drop', direction: 'both' }, bytesForward: 840, bytesBackward: 12 });
  });

  it('switch a machine off by its owner’s command, and believe only the status', async () => {
    let on = true;
    answer = (command) => {
      if (command === 'ipmi gw1 off') on = false;
      if (command === 'ipmi gw1 on') on = true;
      return command === 'ipmi gw1 status' ? { exitCode: on ? 0 : 1 } : {};
    };
    const executed: string[] = [];
    const ssh = { close: () => executed.push('closed'), exec: (command: string) => Promise.resolve(void executed.push(command)) } as unknown as SshConnection;
    const machine = new InventoryMachine(hostNamed(inventory, 'gw1'), ssh, changes, hosts, 'modules');
    expect(machine.identity).toBe('gw1');
    await machine.kill();
    expect(machine.identity).toBeUndefined();
    expect(ran[0]).toEqual({ host: 'harness', command: 'ipmi gw1 off', noted: ['gw1 switched off'] });
    expect(journal.open).toMatchObject([{ host: 'harness', route: null, command: 'ipmi gw1 on' }]);
    await machine.boot();
    expect(machine.identity).toBe('gw1');
    expect(executed.slice(0, 2)).toEqual(['closed', 'true']);
    expect(executed[2]).toBe('modules');
    expect(journal.open).toEqual([]);
  });

  it('change nothing once it is being undone', () => {
    changes.stop();
    expect(() => changes.note('gw1', 'late', 'true')).toThrow(/nothing is changed any more/);
    expect(journal.open).toEqual([]);
  });
});
