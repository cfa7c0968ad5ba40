import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../history/events.js';
import type { CephadmDaemon, CephadmNode, Lab } from '../lab/types.js';
import { LiveView } from '../observe/live-view.js';
import { planScenario } from '../plan/planner.js';
import { cephadmFaultDrivers } from './cephadm-drivers.js';
import type { CephadmFaultName } from './cephadm-specs.js';
import type { FaultContext, FaultDriver } from './driver.js';

/** An observation that never comes is waited for this long. */
const confirmTimeoutMs = 60;

type Known = Awaited<ReturnType<CephadmNode['gatewayIds']>>[number];

/** A cluster of cephadm on paper: what podman, `ceph orch ps`, the monitor and its audit log say of gw1 and gw2. */
class PaperCephadm implements CephadmNode {
  readonly service = 'nvmeof.p.g';
  readonly told: string[] = [];
  podman: Record<string, string[]> = { gw1: ['c1'], gw2: ['c2'] };
  orchPs: CephadmDaemon[] = ['gw1', 'gw2'].map((host) => ({ name: `nvmeof.p.g.${host}.aaa`, host, status: 'running' }));
  map: Known[] = ['gw1', 'gw2'].map((host, i) => ({ id: `client.nvmeof.p.g.${host}.aaa`, host, anaGroup: i + 1, availability: 'AVAILABLE' }));
  log: string[] = [`1 cmd=[{"prefix":"nvme-gw create","id":"client.nvmeof.p.g.gw1.aaa"}]: dispatch`];
  /** What a command really does. */
  acts: () => void = () => undefined;

  #tell(what: string): Promise<string> {
    this.told.push(what);
    this.acts();
    return Promise.resolve('');
  }
  hostOf(gateway: string): string {
    return gateway;
  }
  orch(command: string): Promise<string> {
    return this.#tell(`orch ${command}`);
  }
  async place(gateways: readonly string[]): Promise<void> {
    await this.#tell(`place ${gateways.join()}`);
  }
  async killContainer(gateway: string, container: string): Promise<void> {
    await this.#tell(`kill ${container} of ${gateway}`);
  }
  daemons(): Promise<CephadmDaemon[]> {
    return Promise.resolve([...this.orchPs]);
  }
  gatewayIds(): Promise<Known[]> {
    return Promise.resolve([...this.map]);
  }
  containers(gateway: string): Promise<string[]> {
    return Promise.resolve([...this.podman[gateway]!]);
  }
  audit(): Promise<string[]> {
    return Promise.resolve([...this.log]);
  }
  expectEnd(): void { /* nobody ends here */ }
  untilRuns(): Promise<void> {
    return Promise.resolve();
  }

  /** Removes gw1, as cephadm does, but for what is left out. */
  remove(but: 'nothing' | 'container' | 'daemon' | 'map' | 'audit' = 'nothing'): void {
    if (but !== 'container') this.podman['gw1'] = [];
    if (but !== 'daemon') this.orchPs = this.orchPs.filter(({ host }) => host !== 'gw1');
    if (but !== 'map') this.map = this.map.map((each) => (each.host === 'gw1' ? { ...each, availability: 'DELETING' } : each));
    if (but !== 'audit') this.log.push('2 cmd=[{"prefix":"nvme-gw delete","id":"client.nvmeof.p.g.gw1.aaa"}]: finished');
  }
  /** Deploys another gateway on its host, but for what is left out. */
  deploy(but: 'nothing' | 'container' | 'daemon' | 'map' = 'nothing'): void {
    this.podman['gw1'] = but === 'container' ? ['c1'] : ['c3'];
    if (but !== 'daemon') this.orchPs = [...this.orchPs.filter(({ host }) => host !== 'gw1'), { name: 'nvmeof.p.g.gw1.bbb', host: 'gw1', status: 'running' }];
    if (but !== 'map') this.map = [...this.map.filter(({ host }) => host !== 'gw1'), { id: 'client.nvmeof.p.g.gw1.bbb', host: 'gw1', anaGroup: 1, availability: 'CREATED' }];
  }
}

function controller(state: 'live' | 'connecting', gateway = 'gw1'): HistoryEvent {
  return { type: 'host.controller', host: 'host1', controller: `nvme-${gateway}`, gateway, address: 'a:1', cntlid: 1, state, seq: 1, tUs: 1, wallMs: 0, node: 'host1', offUs: 0, errUs: 0 };
}

function driverOf(fault: CephadmFaultName, cephadm: PaperCephadm): { driver: FaultDriver; view: LiveView } {
  const plan = planScenario('t', { name: 'a', title: 'One fault', description: 'inject.', labs: ['native'], steps: [{ do: 'inject', id: 'f', fault, target: 'gw1' }, { do: 'heal', id: 'f' }] }, { seed: '1', lab: 'native' });
  const view = new LiveView(['host1']);
  const gateways = new Map(['gw1', 'gw2'].map((name) => [name, { name, pid: process.pid, alive: () => Promise.resolve(true) }]));
  const lab = { cephadm, gateways, hosts: new Map([['host1', {}]]) } as unknown as Lab;
  const context: FaultContext = { lab, view, plan, target: 'gw1', params: {}, signal: new AbortController().signal, alone: () => true, onlyGone: true, confirmTimeoutMs };
  for (const name of ['gw1', 'gw2']) view.apply(controller('live', name));
  return { driver: cephadmFaultDrivers[fault](context), view };
}

/** Injects; the host loses its controllers unless it is told to keep them. */
async function inject(fault: CephadmFaultName, cephadm: PaperCephadm, hostLoses = true): Promise<FaultDriver> {
  const { driver, view } = driverOf(fault, cephadm);
  await driver.inject();
  if (hostLoses) for (const name of ['gw1', 'gw2']) view.apply(controller('connecting', name));
  return driver;
}

describe('a removal by cephadm', () => {
  it('is confirmed by host, podman, orch ps, the monitor’s map and its audit log together', async () => {
    const cephadm = new PaperCephadm();
    cephadm.acts = () => cephadm.remove();
    const confirmation = await (await inject('cephadm.remove', cephadm)).confirm();
    expect(cephadm.told).toEqual(['orch set-unmanaged nvmeof.p.g', 'orch daemon rm nvmeof.p.g.gw1.aaa']);
    expect(confirmation?.observer).toBe('host1, podman, cephadm, monitor');
    expect(confirmation?.evidence).toContain('podman on gw1 runs no gateway, ceph orch ps has none there, the monitor has client.nvmeof.p.g.gw1.aaa DELETING with ANA group 1, and its audit log nvme-gw delete');
  });

  it.each(['container', 'daemon', 'map', 'audit'] as const)('is not confirmed while the %s does not show it', async (but) => {
    const cephadm = new PaperCephadm();
    cephadm.acts = () => cephadm.remove(but);
    expect(await (await inject('cephadm.placement', cephadm)).confirm()).toBeNull();
  });

  it('is not confirmed while the host still has its controllers', async () => {
    const cephadm = new PaperCephadm();
    cephadm.acts = () => cephadm.remove();
    expect(await (await inject('cephadm.drain', cephadm, false)).confirm()).toBeNull();
  });

  it('is not taken from an older entry of the audit log', async () => {
    const cephadm = new PaperCephadm();
    cephadm.remove();
    const [deletion] = cephadm.log.splice(1);
    const fresh = new PaperCephadm();
    fresh.log.push(deletion!);
    fresh.acts = () => fresh.remove('audit');
    expect(await (await inject('cephadm.remove', fresh)).confirm()).toBeNull();
  });

  it('is healed once another gateway with another id runs there, and not before', async () => {
    for (const but of ['container', 'daemon', 'map', 'nothing'] as const) {
      const cephadm = new PaperCephadm();
      const driver = await inject('cephadm.remove', cephadm);
      cephadm.remove();
      cephadm.acts = () => cephadm.deploy(but);
      expect(await driver.heal()).toContain('ceph orch apply with gw1, gw2 in the placement');
      const healed = await driver.confirmHealed();
      if (but === 'nothing') expect(healed?.evidence).toContain('nvmeof.p.g.gw1.bbb running');
      else expect(healed, but).toBeNull();
    }
  });

  it('of the service needs every gateway to be gone', async () => {
    const cephadm = new PaperCephadm();
    cephadm.acts = () => cephadm.remove();
    expect(await (await inject('cephadm.service-remove', cephadm)).confirm()).toBeNull();
    cephadm.podman['gw2'] = [];
    cephadm.orchPs = [];
    cephadm.map = [];
    cephadm.log.push('3 cmd=[{"prefix":"nvme-gw delete","id":"client.nvmeof.p.g.gw2.aaa"}]: finished');
    const whole = new PaperCephadm();
    whole.acts = () => Object.assign(whole, { podman: { gw1: [], gw2: [] }, orchPs: [], map: [], log: cephadm.log });
    expect((await (await inject('cephadm.service-remove', whole)).confirm())?.evidence).toContain('podman on gw2 runs no gateway');
  });
});

describe('a replacement by cephadm', () => {
  it('is a new gateway after a delete: the old one that merely restarted is none', async () => {
    const replaced = new PaperCephadm();
    replaced.acts = () => {
      replaced.remove();
      replaced.deploy();
    };
    const driver = await inject('cephadm.replace', replaced);
    expect((await driver.confirm())?.evidence).toContain('client.nvmeof.p.g.gw1.bbb CREATED with ANA group 1');
    expect(await driver.heal()).toContain('nothing to heal');
    const restarted = new PaperCephadm();
    restarted.acts = () => (restarted.podman['gw1'] = ['c3']);
    expect(await (await inject('cephadm.replace', restarted)).confirm()).toBeNull();
  });
});

describe('a stop by cephadm', () => {
  it('leaves the gateway in the map and says nothing to the monitor', async () => {
    const stopped = new PaperCephadm();
    stopped.acts = () => {
      stopped.podman['gw1'] = [];
      stopped.orchPs[0] = { ...stopped.orchPs[0]!, status: 'stopped' };
    };
    expect((await (await inject('cephadm.stop', stopped)).confirm())?.evidence).toContain('its audit log no command about it');
    const removed = new PaperCephadm();
    removed.acts = () => removed.remove();
    expect(await (await inject('cephadm.stop', removed)).confirm()).toBeNull();
  });

  it('is not confirmed by a container that still runs, nor healed by one that is the old one', async () => {
    const still = new PaperCephadm();
    still.acts = () => (still.orchPs[0] = { ...still.orchPs[0]!, status: 'stopped' });
    const driver = await inject('cephadm.stop', still);
    expect(await driver.confirm()).toBeNull();
    expect(await driver.confirmHealed()).toBeNull();
    expect(await (await inject('cephadm.container-kill', new PaperCephadm())).confirm()).toBeNull();
  });
});

describe('a restart and a redeployment by cephadm', () => {
  it('are another container of the same daemon; a redeployment is a command to the monitor, too', async () => {
    for (const [fault, commands, ok] of [['cephadm.restart', false, true], ['cephadm.redeploy', false, false], ['cephadm.redeploy', true, true]] as const) {
      const cephadm = new PaperCephadm();
      cephadm.acts = () => {
        cephadm.podman['gw1'] = ['c9'];
        if (commands) cephadm.log.push('2 cmd=[{"prefix":"nvme-gw create","id":"client.nvmeof.p.g.gw1.aaa"}]: finished');
      };
      const confirmation = await (await inject(fault, cephadm)).confirm();
      expect(confirmation !== null, `${fault} ${commands}`).toBe(ok);
    }
    expect(await (await inject('cephadm.restart', new PaperCephadm())).confirm()).toBeNull();
  });
});

describe('any fault by cephadm', () => {
  it('is not begun on a gateway that cephadm or the monitor does not know', async () => {
    const nobody = new PaperCephadm();
    nobody.orchPs = [];
    await expect(inject('cephadm.stop', nobody)).rejects.toThrow('gw1 has no daemon in `ceph orch ps`');
    expect(nobody.told).toEqual([]);
  });

  it('has nothing to heal before it has begun', async () => {
    const cephadm = new PaperCephadm();
    const { driver } = driverOf('cephadm.placement', cephadm);
    expect(await driver.heal()).toBe('nothing to heal');
    expect(cephadm.told).toEqual([]);
  });
});
