import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostNamed, parseInventory } from '../file.js';
import { findProgram } from '../../qemu/tools.js';
import { existingInventory } from '../testing/example.js';
import { containerNameOf, killGateway, listListeners, removeListener, restoreService, serviceOf, startGateway, watchersCommand } from './commands.js';
import { planScenario } from '../../../plan/planner.js';
import type { Plan } from '../../../plan/types.js';
import { checkRebalance, checkSpecification, placedOn } from './orchestration.js';
import { parseWatchers } from './store-clients.js';

const inventory = parseInventory(existingInventory, 'i.yaml');
const specification = 'service_type: nvmeof\nservice_id: rbd.grp1\nplacement:\n  label: gateways\nspec:\n  pool: rbd\n';

/** The commands in a shell, with stand-ins for the programs that they call. */
describe('commands for gateways of cephadm', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppcmd-'));
    mkdirSync(join(dir, 'bin'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const program = (name: string, text: string): void => {
    writeFileSync(join(dir, 'bin', name), `#!/bin/sh\necho "${name} $*" >>${dir}/calls\n${text}\n`);
    chmodSync(join(dir, 'bin', name), 0o755);
  };
  const shell = (command: string): { status: number | null; stderr: string } => spawnSync('sh', ['-c', command], { env: { ...process.env, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` }, encoding: 'utf8' });
  const calls = (): string[] => (existsSync(join(dir, 'calls')) ? readFileSync(join(dir, 'calls'), 'utf8').trimEnd().split('\n') : []);
  /** cephadm has gateways that run on these hosts. */
  const cephRuns = (...hosts: string[]): void => program('ceph', `case "$*" in
  *"apply -i -") cat >${dir}/applied;;
  *"orch ps"*) echo '${JSON.stringify(hosts.map((hostname) => ({ hostname, status: 1 })))}';;
  *maintenance*|*"label rm"*) exit 22;;
esac`);

  it.skipIf(findProgram('python3') === undefined)('bring the service back to what it was, again and again', () => {
    cephRuns('node-b', 'node-a');
    for (let i = 0; i < 2; i++) expect(shell(restoreService(inventory, specification, 3))).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(dir, 'applied'), 'utf8')).toBe(specification);
    for (const host of ['node-a', 'node-b']) for (const words of [`host maintenance exit ${host}`, `host label rm ${host} _no_schedule`]) expect(calls().some((call) => call.endsWith(words))).toBe(true);
  });

  it.skipIf(findProgram('python3') === undefined)('say so when a gateway does not come back, or the specification is refused', () => {
    cephRuns('node-b');
    expect(shell(restoreService(inventory, specification, 1))).toMatchObject({ status: 1, stderr: 'nvmeof.rbd.grp1 does not run on node-a, node-b\n' });
    program('ceph', 'case "$*" in *apply*) echo refused >&2; exit 22;; esac');
    expect(shell(restoreService(inventory, specification, 1))).toMatchObject({ status: 1, stderr: 'refused\n' });
  });

  it('find the unit of the gateway that cephadm has on the host, whatever else it has there', () => {
    const { fsid } = inventory.cluster;
    const root = join(dir, 'ceph');
    for (const daemon of ['crash.node-a', 'nvmeof.rbd.grp2.node-a.zzzzzz', 'nvmeof.rbd.grp1.node-a.abcdef']) mkdirSync(join(root, fsid, daemon), { recursive: true });
    const here = (command: string): string => command.replaceAll('/var/lib/ceph', root);
    const unit = `ceph-${fsid}@nvmeof.rbd.grp1.node-a.abcdef.service`;
    program('systemctl', 'case "$1" in is-active) exit 3;; esac');
    program('podman', 'case "$1" in ps) echo c0ffee;; esac');
    expect(shell(here(startGateway(inventory))).status).toBe(0);
    expect(calls()).toEqual([`systemctl reset-failed ${unit}`, `systemctl start ${unit}`]);
    rmSync(join(dir, 'calls'));
    expect(shell(here(killGateway(inventory).command)).status).toBe(0);
    expect(calls()).toEqual([`podman ps --quiet --filter name=${containerNameOf(inventory)}`, 'podman kill --signal KILL c0ffee', `systemctl stop ${unit}`]);
    rmSync(join(dir, 'calls'));
    expect(shell(here(killGateway(inventory).undo)).status).toBe(0);
    expect(calls().at(-1)).toBe(`systemctl start ${unit}`);
    // cephadm has removed it since: there is nothing to start, and that is no failure of the undo.
    rmSync(join(root, fsid, 'nvmeof.rbd.grp1.node-a.abcdef'), { recursive: true });
    rmSync(join(dir, 'calls'));
    expect(shell(here(killGateway(inventory).undo)).status).toBe(0);
    expect(calls()).toEqual([]);
    expect(shell(here(startGateway(inventory))).status).not.toBe(0);
  });

  it('name the container of the service’s gateways and no other', () => {
    const pattern = new RegExp(containerNameOf(inventory));
    expect(pattern.test(`ceph-${inventory.cluster.fsid}-nvmeof-rbd-grp1-node-a-abcdef`)).toBe(true);
    expect(pattern.test(`ceph-${inventory.cluster.fsid}-nvmeof-rbd-grp12-node-a-abcdef`)).toBe(false);
    expect(serviceOf(parseInventory(existingInventory.replace('kind: ceph-nvmeof', 'kind: ceph-nvmeof, service: nvmeof.other'), 'i.yaml'))).toBe('nvmeof.other');
  });

  it('remove a listener by the gateway’s own command line, and give it back where it is missing, and nowhere else', () => {
    const gw2 = hostNamed(inventory, 'gw2');
    const change = removeListener(inventory, gw2, '192.0.2.102');
    const podman = (listeners: string): void => program('podman', `case "$1 $*" in ps*) echo c0ffee;; *"listener list"*) echo '${listeners}';; esac`);
    podman('{ "listeners": [] }');
    const cli = (words: string): RegExp => new RegExp(`^podman exec c0ffee sh -c of\\(\\).* exec python3 -m control\\.cli .* sh listener ${words}$`);
    expect(shell(change.command).status).toBe(0);
    expect(calls().at(-1)).toMatch(cli('del --subsystem nqn\\.2016-06\\.io\\.spdk:cnode1 --host-name node-b --traddr 192\\.0\\.2\\.102 --trsvcid 4420 --force'));
    expect(shell(change.undo).status).toBe(0);
    expect(calls().at(-1)).toMatch(cli('add --subsystem nqn\\.2016-06\\.io\\.spdk:cnode1 --host-name node-b --traddr 192\\.0\\.2\\.102 --trsvcid 4420'));
    // As ceph-nvmeof prints it.
    podman('{ "listeners": [ { "host_name": "node-b", "traddr": "192.0.2.102", "trsvcid": 4420 } ] }');
    expect(shell(change.undo).status).toBe(0);
    expect(calls().at(-1)).toMatch(cli('list --subsystem \\S+'));
    // Nobody answers: it is not undone.
    program('podman', 'exit 125');
    expect(shell(change.undo).status).not.toBe(0);
  });

  it('find the address of the gateway’s gRPC server in the configuration that cephadm has generated', () => {
    writeFileSync(join(dir, 'ceph-nvmeof.conf'), '# generated\n[gateway]\nname = client.x\naddr = 192.0.2.101\nport = 5500\n[discovery]\naddr = 0.0.0.0\nport = 8009\n');
    // What podman runs inside runs here; python3 tells what it was asked.
    program('podman', 'case "$1" in ps) echo c0ffee;; exec) shift 2; exec "$@";; esac');
    program('python3', '');
    expect(shell(listListeners(inventory).replace('/src/ceph-nvmeof.conf', join(dir, 'ceph-nvmeof.conf')))).toMatchObject({ status: 0, stderr: '' });
    expect(calls().at(-1)).toBe('python3 -m control.cli --output stdio --format json --server-address 192.0.2.101 --server-port 5500 listener list --subsystem nqn.2016-06.io.spdk:cnode1');
  });

  it('print the watchers of each image', () => {
    program('rbd', `case "$*" in *rbd/pp2) printf '{\n"watchers":[{"address":"192.0.2.101:0/9"}]\n}\n';; *) echo '{"watchers":[]}';; esac`);
    const text = execFileSync('sh', ['-c', watchersCommand(inventory)], { env: { ...process.env, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` }, encoding: 'utf8' });
    expect(parseWatchers(text)).toEqual([{ image: 'pp2', address: '192.0.2.101:0/9' }]);
    expect(text.trim().split('\n')).toHaveLength(4);
  });
});

describe('a service’s specification', () => {
  it('is placed elsewhere, and is otherwise as it was', () => {
    expect(placedOn(specification, ['node-b'])).toBe('service_type: nvmeof\nservice_id: rbd.grp1\nplacement:\n  hosts:\n    - node-b\nspec:\n  pool: rbd\n');
  });

  it('is refused when it is none of gateways', () => {
    expect(checkSpecification(inventory, specification)).toBe(specification);
    for (const text of ['No services reported', 'service_type: osd\n', '']) expect(() => checkSpecification(inventory, text)).toThrow(/cephadm has no service nvmeof\.rbd\.grp1/);
  });

  it('may let gateways move namespaces only where no fault of the plan removes one', () => {
    const planOf = (fault: string): Plan => planScenario('t', { name: 's', title: 'Any', description: 'nothing.', steps: [{ do: 'inject', id: 'f', fault: fault as 'cephadm.remove', target: 'gw1' }, { do: 'run', forMs: 100 }, { do: 'heal', id: 'f' }] }, { seed: 'x', lab: 'native' });
    const every = (period?: number): string => `service_type: nvmeof\nservice_id: rbd.grp1\nspec:\n  pool: rbd\n${period === undefined ? '' : `  rebalance_period_sec: ${period}\n`}`;
    expect(() => checkRebalance(every(7), planOf('cephadm.remove'))).toThrow(/cephadm\.remove: every 7 s the gateways look/);
    // cephadm does not export what is 0, and does not keep it: the next gateway has the usual period.
    for (const specification of [every(), 'service_type: nvmeof\nservice_id: rbd.grp1\n']) expect(() => checkRebalance(specification, planOf('cephadm.replace'))).toThrow(/every 7 s/);
    expect(() => checkRebalance(every(7), planOf('cephadm.restart'))).not.toThrow();
    expect(() => checkRebalance(every(86_400), planOf('cephadm.remove'))).not.toThrow();
  });
});
