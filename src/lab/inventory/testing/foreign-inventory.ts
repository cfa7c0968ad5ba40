import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { planScenario } from '../../../plan/planner.js';
import type { Plan } from '../../../plan/types.js';
import { addressOf } from '../../qemu/network.js';
import { ForeignCephadm, type ForeignGateways } from './foreign-cephadm.js';
import { pathproofProcess } from './pathproof-process.js';
import { PowerSwitch } from './power-switch.js';

export interface ForeignInventoryOptions {
  name: string;
  gateways: ForeignGateways;
  /** What is to be done on the hosts before the inventory is written. */
  prepare?: (foreign: ForeignCephadm, plan: Plan) => Promise<void>;
  /** The monitor's group; default: the plan's. */
  group?: string;
  /** The file's `gateways`, in YAML's flow style. */
  yaml: (plan: Plan) => string;
}

/** Hosts that somebody else has made (ForeignCephadm), the inventory that names them, and this program's commands on it, as processes of their own. */
export class ForeignInventory {
  readonly foreign: ForeignCephadm;
  readonly plan: Plan;
  readonly dir: string;
  readonly file: string;
  readonly #power: PowerSwitch;

  private constructor(parts: { foreign: ForeignCephadm; plan: Plan; dir: string; file: string; power: PowerSwitch }) {
    this.foreign = parts.foreign;
    this.plan = parts.plan;
    this.dir = parts.dir;
    this.file = parts.file;
    this.#power = parts.power;
  }

  static async start({ name, gateways, prepare, group, yaml }: ForeignInventoryOptions): Promise<ForeignInventory> {
    const plan = planScenario('lab', { name: 'foreign', title: 'Foreign hosts', description: 'nothing.', lab: { blockSize: 512 }, steps: [{ do: 'run', forMs: 0 }] }, { seed: 'x', lab: 'native-linux' });
    const foreign = await ForeignCephadm.start(plan, (line) => console.log(line), { gateways });
    await prepare?.(foreign, plan);
    const dir = mkdtempSync(join(tmpdir(), `pp${name}lab-`));
    vi.stubEnv('PATHPROOF_STATE', join(dir, 'state'));
    const power = new PowerSwitch(dir, (host) => ({ isOn: () => foreign.host(host).running(), off: () => void foreign.host(host).kill(), on: () => void foreign.boot(host) }));
    const { topology } = plan;
    const isThere = gateways !== 'none';
    const file = join(dir, 'inventory.yaml');
    writeFileSync(file, `format: 1
name: ${name}
sshConfig: ${foreign.sshConfig}
accel: ${foreign.accel}
hosts:
  ceph: { ssh: ceph.example, roles: [ceph] }
${topology.gateways.map((gateway) => `  ${gateway.name}: { ssh: ${gateway.name}.example, roles: [gateway], fabrics: [${addressOf('a', gateway.name)}], ${power.yaml(gateway.name)} }`).join('\n')}
  host1: { ssh: host1.example, roles: [host]${isThere ? `, nqn: "${topology.hosts[0]!.hostNqn}"` : ''} }
cluster: { admin: ceph, fsid: ${foreign.access.fsid}, mons: ["${foreign.access.monHosts.join('", "')}"], pool: ${topology.pool}, group: ${group ?? topology.group} }
gateways: ${yaml(plan)}
allow: [kill, network, powerOff, cephadm]
namespaces:
${topology.namespaces.map(({ nsid, uuid, nguid, image, anaGroup, blocks, blockSize }) => {
    // ceph-nvmeof makes the NGUID of the UUID.
    const identity = !isThere ? '' : `, nsid: ${nsid}, uuid: ${uuid}, anaGroup: ${anaGroup}${gateways === 'own' ? `, nguid: "${nguid}"` : ''}`;
    return `  - { image: ${image}, mebibytes: ${(blocks * blockSize) / 1_048_576}, scratch: true${identity} }`;
  }).join('\n')}
`);
    return new ForeignInventory({ foreign, plan, dir, file, power });
  }

  async end(): Promise<void> {
    this.#power.close();
    await this.foreign.end();
    vi.unstubAllEnvs();
    if (process.env['PATHPROOF_KEEP_LOGS'] === undefined) rmSync(this.dir, { recursive: true, force: true });
  }

  /** `pathproof run WORDS` on these hosts; with `until` it is killed (SIGKILL) as soon as it has said that. */
  run(words: readonly string[], until?: RegExp): Promise<{ code: number | null; out: string }> {
    return pathproofProcess(['run', ...words, '--seed', 'inv', '--lab', 'inventory', '--inventory', this.file], until);
  }

  /** Again, twice at most, where the machine did not let the test run evenly (`unknown`, exit 2): one that failed is not tried again. */
  async prove(words: readonly string[]): Promise<{ code: number | null; out: string }> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.run(words);
      if (result.code !== 2 || attempt === 3) return result;
      console.log(`${words.join(' ')} was unknown: attempt ${attempt + 1}\n${result.out}`);
    }
  }

  /** What of ours is on the hosts of gateways that pathproof has no program in; nothing: all are as they were. */
  async leftovers(): Promise<string> {
    const found: string[] = [];
    for (const name of ['ceph', ...this.plan.topology.gateways.map((gateway) => gateway.name)]) found.push(await this.foreign.on(name, 'ls -d /usr/local/lib/pathproof /var/log/pathproof /var/cache/pathproof 2>/dev/null; nft list tables; pgrep -fa ru_maxrs[s] || true'));
    found.push(await this.foreign.on('host1', 'ls -d /usr/local/lib/pathproof /run/pathproof* /var/log/pathproof /var/cache/pathproof /etc/pathproof/*.json /var/tmp/pathproof* 2>/dev/null; cat /sys/class/nvme/*/subsysnqn 2>/dev/null; pgrep -fa /[l]ib/pathproof/ || true'));
    return found.filter((text) => text !== '').join('\n');
  }
}
