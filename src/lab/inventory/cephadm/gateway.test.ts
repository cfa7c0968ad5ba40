import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../../history/events.js';
import type { SshConnection } from '../../ssh/connection.js';
import type { Changes } from '../changes.js';
import type { Change } from '../commands.js';
import { parseInventory } from '../file.js';
import type { UndoEntry } from '../journal.js';
import { existingInventory } from '../testing/example.js';
import { CephadmGateway } from './gateway.js';
import type { RunningGateway } from './gateway-watch.js';

const inventory = parseInventory(existingInventory, 'i.yaml');
const first: RunningGateway = { pid: 17, container: 'c0ffee', daemon: 'nvmeof.rbd.grp1.node-a.abcdef' };
const second: RunningGateway = { ...first, pid: 18, container: 'decade' };

type NodeEvent = Extract<EventBody, { type: 'node' }>;

/** A gateway’s host on paper: what its watch says, and what it is told. */
function paper(): { gateway: CephadmGateway; says: (running: RunningGateway | null) => void; nodes: NodeEvent[]; done: string[]; began: () => number; acts: (command: string, what: () => void) => void; answers: (command: RegExp, answer: () => string) => void } {
  let line: (text: string) => void = () => undefined;
  const nodes: NodeEvent[] = [];
  const done: string[] = [];
  const acts: { command: string; what: () => void }[] = [];
  const answering: { command: RegExp; answer: () => string }[] = [];
  let began = 0;
  const ssh = {
    stream: (_: string, onLine: (text: string) => void) => {
      line = onLine;
      return { ended: new Promise<never>(() => undefined), write: () => undefined, stop: () => undefined };
    },
    exec: (command: string) => {
      done.push(/systemctl start/.test(command) ? 'start' : /podman kill/.test(command) ? 'kill' : /systemctl stop/.test(command) ? 'stop' : command);
      for (const each of acts) if (done.at(-1) === each.command) each.what();
      return Promise.resolve({ stdout: answering.find((each) => each.command.test(command))?.answer() ?? '', stderr: '', exitCode: 0, ms: 1 });
    },
    forward: () => Promise.reject(new Error('nobody forwards here')),
  } as unknown as SshConnection;
  const changes = {
    note: (host: string, what: string): UndoEntry => {
      done.push(`noted: ${host} ${what}`);
      return { kind: 'undo', id: 1, at: '', host, route: null, what, command: '' };
    },
    make: (host: string, { what, command, undo }: Change): Promise<UndoEntry> => {
      done.push(`noted: ${host} ${what}`, command);
      return Promise.resolve({ kind: 'undo', id: 2, at: '', host, route: null, what, command: undo });
    },
    undone: () => void done.push('undone'),
  } as unknown as Changes;
  const gateway = new CephadmGateway({
    name: 'gw1', inventory, machine: { identity: 'gw1', ssh, kill: () => Promise.resolve() }, boot: () => Promise.resolve(), emit: (event) => void (event.type === 'node' && nodes.push(event)),
    changes, listener: '192.0.2.101:4420', subNqn: 'nqn.x', hostNqn: 'nqn.y', dir: '/nowhere', storeAddress: '192.0.2.31', onRunning: () => void (began += 1),
  });
  return { gateway, says: (running) => line(JSON.stringify({ gateway: running })), nodes, done, began: () => began, acts: (command, what) => void acts.push({ command, what }), answers: (command, answer) => void answering.push({ command, answer }) };
}

const words = (nodes: readonly NodeEvent[]): string[] => nodes.map(({ state, pid, expected }) => `${state} ${pid}${expected === undefined ? '' : ` ${expected ? 'meant' : 'not meant'}`}`);

describe('a gateway of cephadm’s', () => {
  it('is there once its host says so, and its end is noted as nobody’s who did not ask for it', async () => {
    const { gateway, says, nodes, began } = paper();
    const attached = gateway.attach();
    expect(gateway.pid).toBeUndefined();
    says(first);
    await attached;
    expect(gateway.pid).toBe(17);
    // The same again is no news.
    says(first);
    says(null);
    says(second);
    expect(words(nodes)).toEqual(['started 17', 'ready 17', 'exited 17 not meant', 'started 18', 'ready 18']);
    expect(began()).toBe(2);
    await gateway.detach();
  });

  it('is killed with its way back noted before, and is back when a new container runs', async () => {
    const { gateway, says, nodes, done, acts } = paper();
    acts('kill', () => says(null));
    acts('start', () => says(second));
    const attached = gateway.attach();
    says(first);
    await attached;
    done.length = 0;
    await gateway.kill();
    expect(done).toEqual(['noted: gw1 gateway’s container killed', 'kill']);
    await expect(gateway.kill()).rejects.toThrow(/is not running/);
    await gateway.start();
    expect(done.filter((each) => each !== 'true').slice(2)).toEqual(['start', 'undone']);
    expect(words(nodes).slice(2)).toEqual(['exited 17 meant', 'started 18', 'ready 18']);
    // Whoever asked for one end has not asked for the next.
    says(null);
    expect(words(nodes).at(-1)).toBe('exited 18 not meant');
    await gateway.detach();
  });

  it('is not there when nobody says so in time', async () => {
    const { gateway } = paper();
    await expect(gateway.untilRuns(120)).rejects.toThrow(/gw1: no container of it runs within 0\.12 s/);
  });

  const listener = (host: string, address: string): object => ({ host_name: host, trtype: 'TCP', traddr: address, trsvcid: 4420, active: true });

  it('has its own listeners of the subsystem removed, and added again, by its own command line', async () => {
    const { gateway, says, done, answers } = paper();
    answers(/control\.cli.*listener.*list/, () => JSON.stringify({ status: 0, listeners: [listener('node-a', '192.0.2.101'), listener('node-b', '192.0.2.102')] }));
    const attached = gateway.attach();
    says(first);
    await attached;
    done.length = 0;
    expect(await gateway.listeners()).toEqual(['192.0.2.101:4420']);
    await gateway.removeListeners();
    expect(done.filter((each) => each.startsWith('noted'))).toEqual(['noted: gw1 listener 192.0.2.101:4420 removed']);
    expect(done.at(-1)).toMatch(/'listener' 'del' '--subsystem' 'nqn\S+' '--host-name' 'node-a' '--traddr' '192\.0\.2\.101' '--trsvcid' '4420' '--force'$/);
    await gateway.addListeners();
    expect(done.slice(-2)).toEqual([expect.stringContaining("'listener' 'add'"), 'undone']);
    // Nothing is left to be added.
    done.length = 0;
    await gateway.addListeners();
    expect(done).toEqual([]);
    await gateway.detach();
  });

  it('has its listeners again after a start, although they were removed: they are in the group’s state', async () => {
    const { gateway, says, done, answers, acts } = paper();
    answers(/control\.cli.*listener.*list/, () => JSON.stringify({ listeners: [listener('node-a', '192.0.2.101')] }));
    acts('start', () => says(second));
    const attached = gateway.attach();
    says(first);
    await attached;
    await gateway.removeListeners();
    says(null);
    await gateway.start();
    expect(done.slice(-2)).toEqual([expect.stringContaining("'listener' 'add'"), 'undone']);
    await gateway.detach();
  });

  it('keeps a listener that the inventory does not name', async () => {
    const { gateway, says, done, answers } = paper();
    answers(/control\.cli.*listener.*list/, () => JSON.stringify({ listeners: [listener('node-a', '192.0.2.101'), listener('node-a', '198.51.100.1')] }));
    const attached = gateway.attach();
    says(first);
    await attached;
    await expect(gateway.removeListeners()).rejects.toThrow('gw1 has a listener that the inventory does not name: 198.51.100.1:4420');
    expect(done.some((each) => each.includes("'del'"))).toBe(false);
    await gateway.detach();
  });
});
