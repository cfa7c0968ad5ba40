import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { planScenario } from '../../plan/planner.js';
import type { Scenario } from '../../plan/scenario.js';
import { plannedCommands, type PlannedCommand } from './dry-run.js';
import { parseInventory } from './file.js';
import { UndoJournal } from './journal.js';
import { platformOf } from './platform.js';
import { exampleInventory, existingInventory, spdkInventory } from './testing/example.js';

const inventory = parseInventory(exampleInventory.replace('[kill, network]', '[kill, network, cephadm]'), '/etc/i.yaml');
const steps = (fault: string): Scenario['steps'] => [{ do: 'inject', id: 'f', fault, target: 'gw2' }, { do: 'heal', id: 'f' }] as Scenario['steps'];
const planOf = (fault: string) => planScenario('smoke', { name: 'one', title: 'One', description: 'inject.', steps: steps(fault) }, { seed: 's', lab: 'inventory', platform: platformOf(inventory) });
const commandsOf = (list: readonly PlannedCommand[], when: PlannedCommand['when']): string[] => list.filter((each) => each.when === when).map(({ host, command }) => `${host}: ${command}`);

describe('a dry run', () => {
  let state: string;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'ppdry-'));
    vi.stubEnv('PATHPROOF_STATE', state);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(state, { recursive: true, force: true });
  });

  it('undoes each change of each host, the last one first', () => {
    const list = plannedCommands(inventory, [planOf('gateway.kill')]);
    const undone = list.filter(({ when }) => when === 'undo');
    const changed = list.filter(({ when, what }) => when === 'change' && !what.includes('(stays)'));
    // A host's own order: program, then what it stands on, in reverse.
    const own = (name: string): string[] => undone.filter(({ host }) => host === name).map(({ what }) => what.split(' ')[0]!);
    for (const name of ['gw1', 'gw2']) expect(own(name)).toEqual(['gateway', 'kernel']);
    expect(own('host1')).toEqual(['host', 'parameters', 'kernel']);
    expect(undone.filter(({ host }) => host === 'ceph').map(({ command }) => command)).toEqual(['gw2', 'gw1'].map((name) => `ceph --name client.admin --keyring /etc/ceph/ceph.client.admin.keyring nvme-gw delete ${name} rbd grp1`));
    expect(list.findIndex(({ when }) => when === 'undo')).toBeGreaterThan(list.lastIndexOf(changed.at(-1)!));
    expect(list.slice(list.findIndex(({ when }) => when === 'undo')).every(({ when }) => when === 'undo')).toBe(true);
  });

  it('shows what each fault does, and where', () => {
    expect(commandsOf(plannedCommands(inventory, [planOf('gateway.kill')]), 'fault')[0]).toBe('gw2: kill -KILL PID');
    expect(commandsOf(plannedCommands(inventory, [planOf('gateway.remove')]), 'fault')[0]).toBe('gw2: kill -TERM PID');
    const [probe, store, ...more] = commandsOf(plannedCommands(inventory, [planOf('partition.store')]), 'fault');
    expect(probe).toBe('gw2: ping -c 1 -W 1 192.0.2.31');
    expect(more).toEqual([]);
    expect(store).toMatch(/^gw2: /);
    expect(store).toContain('--on-active=900 nft delete table inet pathproof_gw2_store');
    expect(store).toContain('ip daddr { 192.0.2.31 } counter drop');
    expect(commandsOf(plannedCommands(inventory, [planOf('partition.store-and-monitor')]), 'fault')).toHaveLength(3);
    const [host] = commandsOf(plannedCommands(inventory, [planOf('partition.host')]), 'fault');
    expect(host).toMatch(/^host1: /);
    expect(host).toContain('ip saddr { 192.0.2.102 } tcp sport 4420 counter drop');
    expect(commandsOf(plannedCommands(inventory, [planOf('gateway.listeners')]), 'fault')).toEqual([]);
  });

  it('loads nothing into the kernel of gateways on SPDK, and starts another program there', () => {
    const spdk = parseInventory(spdkInventory, '/etc/i.yaml');
    const list = plannedCommands(spdk, [planScenario('smoke', { name: 'one', title: 'One', description: 'inject.', steps: steps('gateway.kill') }, { seed: 's', lab: 'inventory', platform: platformOf(spdk) })]);
    const own = list.filter(({ host }) => host === 'gw1');
    expect(own.filter(({ what }) => what.startsWith('kernel modules'))).toEqual([]);
    expect(list.filter(({ host, what }) => host === 'host1' && what.startsWith('kernel modules'))).toHaveLength(2);
    expect(own.find(({ what }) => what === 'spdk-gateway program')?.command).toContain('supervise gw1 /usr/local/lib/pathproof/spdk-gateway.mjs');
    expect(own.filter(({ when }) => when === 'undo').map(({ what }) => what)).toEqual(['spdk-gateway program and its folders']);
    expect(commandsOf(list, 'heal')[0]).toContain('spdk-gateway.mjs');
  });

  it('starts nothing on gateways that are there already, and shows what cephadm is told, and how its service gets back', () => {
    const existing = parseInventory(existingInventory, '/etc/i.yaml');
    const list = (fault: string): PlannedCommand[] => plannedCommands(existing, [planScenario('smoke', { name: 'one', title: 'One', description: 'inject.', steps: steps(fault) }, { seed: 's', lab: 'inventory', platform: platformOf(existing) })]);
    const removed = list('cephadm.remove');
    const ceph = 'ceph: ceph --name client.admin --keyring /etc/ceph/ceph.client.admin.keyring';
    expect(removed.filter(({ host, when }) => host.startsWith('gw') && when === 'change')).toEqual([]);
    expect(commandsOf(removed, 'fault').slice(0, 2)).toEqual([`${ceph} orch set-unmanaged nvmeof.rbd.grp1`, `${ceph} orch daemon rm DAEMON`]);
    expect(commandsOf(removed, 'heal')[0]).toMatch(/orch apply -i - /);
    expect(commandsOf(removed, 'undo').filter((command) => command.includes('SPECIFICATION'))).toHaveLength(1);
    expect(commandsOf(list('cephadm.drain'), 'fault')[0]).toBe(`${ceph} orch host drain node-b --force`);
    expect(commandsOf(list('cephadm.drain'), 'heal')[0]).toBe(`${ceph} orch host label rm node-b _no_schedule`);
    expect(commandsOf(list('cephadm.container-kill'), 'fault')[0]).toBe('gw2: podman kill --signal KILL CONTAINER');
    expect(commandsOf(list('gateway.kill'), 'fault')[0]).toMatch(/^gw2: unit=.*podman kill --signal KILL .*systemctl stop "\$unit"$/);
    expect(commandsOf(list('gateway.kill'), 'undo').some((command) => command.includes('SPECIFICATION'))).toBe(false);
    expect(commandsOf(list('partition.host'), 'fault')[0]).toContain('pathproof_host1_gw2');
  });

  it('shows the power commands, which run on this machine', () => {
    const powered = parseInventory(exampleInventory.replace('[kill, network]', '[powerOff]').replace('fabrics: [192.0.2.102] }', 'fabrics: [192.0.2.102], power: { off: "ipmi gw2 off", on: "ipmi gw2 on", status: "ipmi gw2 status" } }'), 'i.yaml');
    const plan = planScenario('smoke', { name: 'one', title: 'One', description: 'inject.', steps: steps('gateway.power-off') }, { seed: 's', lab: 'inventory', platform: platformOf(powered) });
    expect(commandsOf(plannedCommands(powered, [plan]), 'fault')).toEqual(['harness: ipmi gw2 off', 'harness: ipmi gw2 status']);
    expect(commandsOf(plannedCommands(powered, [plan]), 'heal')[0]).toBe('harness: ipmi gw2 on');
  });

  it('begins with what a killed run has left', () => {
    const journal = UndoJournal.begin({ name: 'rack', file: '/etc/i.yaml' });
    journal.note({ host: 'gw1', route: { destination: 'gw1' }, what: 'link gw1-store cut', command: 'nft delete table inet pathproof_gw1_store' });
    journal.close();
    expect(plannedCommands(inventory, [planOf('gateway.kill')])[0]).toEqual({ host: 'gw1', what: 'link gw1-store cut', when: 'undo of a killed run', command: 'nft delete table inet pathproof_gw1_store' });
  });
});
