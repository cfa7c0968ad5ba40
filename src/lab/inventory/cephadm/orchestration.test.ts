import { describe, expect, it } from 'vitest';
import type { Changes } from '../changes.js';
import { parseInventory } from '../file.js';
import type { HostConnections } from '../hosts.js';
import { existingInventory } from '../testing/example.js';
import { hostNamesOf, orchestrate } from './orchestration.js';

const inventory = parseInventory(existingInventory, 'i.yaml');
const specification = 'service_type: nvmeof\nservice_id: rbd.grp1\nplacement:\n  label: gateways\n';

describe('cephadm of a cluster that somebody else has made', () => {
  it('is told nothing before the way back is noted, once for all runs of a command; looking needs no way back', async () => {
    const done: string[] = [];
    const connections = {
      run: (host: string, _: unknown, command: string, { input }: { input?: string }) => {
        done.push(`${host}: ${command.replace(/^ceph .*?keyring \S+ /, 'ceph ')}${input === undefined ? '' : ` < ${input}`}`);
        return Promise.resolve({ stdout: command.includes('orch ps') ? JSON.stringify(['node-a', 'node-b'].map((hostname) => ({ daemon_type: 'nvmeof', daemon_id: hostname, hostname, status: 1 }))) : '[]', stderr: '', exitCode: 0, ms: 1 });
      },
    } as unknown as HostConnections;
    const changes = { note: (host: string, what: string, undo: string) => done.push(`noted: ${host} ${what}, by ${undo.includes(specification.trimEnd()) ? 'its own specification' : undo}`) } as unknown as Changes;
    const noted = { service: false };
    const lab = (): ReturnType<typeof orchestrate> => orchestrate({ inventory, connections, changes, noted, specification, show: () => Promise.resolve('{}'), gateway: () => { throw new Error('nobody asks for it'); } });
    const first = lab();
    await first.daemons();
    await first.audit();
    expect(done.filter((each) => each.startsWith('noted'))).toEqual([]);
    done.length = 0;
    await first.orch('daemon rm nvmeof.rbd.grp1.node-a.abcdef');
    await lab().place(['gw1']);
    await lab().place(['gw1', 'gw2']);
    expect(done.filter((each) => !each.includes('orch ps'))).toEqual([
      'noted: ceph service nvmeof.rbd.grp1 handled by cephadm, by its own specification',
      'ceph: ceph orch daemon rm nvmeof.rbd.grp1.node-a.abcdef',
      'ceph: ceph orch apply -i - < service_type: nvmeof\nservice_id: rbd.grp1\nplacement:\n  hosts:\n    - node-a\n',
      `ceph: ceph orch apply -i - < ${specification}`,
    ]);
  });

  it('has other names for the hosts', () => {
    const names = hostNamesOf(inventory);
    expect([names.hostOf('gw2'), names.gatewayOn('node-a'), names.gatewayOn('gw1')]).toEqual(['node-b', 'gw1', undefined]);
  });
});
