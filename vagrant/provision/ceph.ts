import { existsSync } from 'node:fs';
import { $ } from 'zx/core';
import { CephMonSession } from '../../src/ceph/msgr2/index.js';
import { cephConfig, isClean, makeEntities, monNice, monsOf, osdNice, type CephSpec } from '../../src/lab/qemu/provision/ceph.js';
import { keyringText, secretType, type CephEntity } from '../../src/lab/qemu/provision/keyring.js';
import { filesStep } from './files.js';
import type { ClusterIdentity, NodeDescription } from './node.js';
import type { Step } from './step.js';

const osdId = 0;
const mgrId = 'x';
const monPort = 3_300;
const dataDir = '/var/lib/ceph';
const pollMs = 500;
const connectMaxMs = 180_000;
const cleanMaxMs = 600_000;
const commandMaxMs = 60_000;
/** Its modules are switched off (`mgr_disabled_modules`), and it says so. */
const mutedCode = 'MGR_MODULE_ERROR';

/** The cluster: monitors, mgr, one OSD, the pool with its images, and the gateways known to NVMeofGwMon. Ceph's own units run the daemons. */
export async function cephSteps({ ceph: spec, cluster }: NodeDescription & { ceph: CephSpec; cluster: ClusterIdentity }): Promise<{ steps: Step[]; close: () => Promise<void> }> {
  const entities = await entitiesOf(spec, cluster);
  const admin = new Admin(spec, entities.find(({ name }) => name === 'client.admin')!.secret);
  const keyring = (name: string): string => keyringText(entities.filter((entity) => entity.name === name));
  const mons = monsOf(spec);
  const osdDir = `${dataDir}/osd/ceph-${osdId}`;
  const steps: Step[] = [
    filesStep('ceph: configuration and keys', [
      { path: '/etc/ceph/ceph.conf', text: cephConfig(spec, cluster.fsid) },
      { path: '/etc/ceph/ceph.client.admin.keyring', text: keyring('client.admin'), mode: 0o600 },
      // The monitor takes over every entity of this keyring when it makes its store.
      { path: '/etc/ceph/mkfs.keyring', text: keyringText(entities), mode: 0o600 },
      { path: `${dataDir}/mgr/ceph-${mgrId}/keyring`, text: keyring(`mgr.${mgrId}`), mode: 0o600 },
      { path: `${osdDir}/keyring`, text: keyring(`osd.${osdId}`), mode: 0o600 },
      { path: '/etc/systemd/system/ceph-mon@.service.d/pathproof.conf', text: `[Service]\nNice=${monNice}\n` },
      { path: '/etc/systemd/system/ceph-osd@.service.d/pathproof.conf', text: `[Service]\nNice=${osdNice}\n` },
    ], async () => {
      await $`systemctl daemon-reload`;
      await $`chown -R ceph:ceph ${dataDir}`;
      await $`chown ceph:ceph /etc/ceph/mkfs.keyring`;
    }),
    ...mons.map(({ name }): Step => {
      const dir = `${dataDir}/mon/ceph-${name}`;
      return {
        title: `ceph: store of monitor ${name}`,
        isDone: () => Promise.resolve(existsSync(`${dir}/done`)),
        make: async () => {
          await $`rm -rf ${dir} && install -d -o ceph -g ceph ${dir}`;
          await $`monmaptool --create --clobber --enable-all-features --fsid ${cluster.fsid} ${mons.flatMap((mon) => ['--addv', mon.name, mon.addresses])} /etc/ceph/monmap`;
          await $`ceph-mon --mkfs -i ${name} --monmap /etc/ceph/monmap --keyring /etc/ceph/mkfs.keyring --setuser ceph --setgroup ceph`;
          await $`install -o ceph -g ceph /dev/null ${dir}/done`;
        },
      };
    }),
    ...mons.map(({ name }) => serviceStep(`ceph-mon@${name}.service`)),
    serviceStep(`ceph-mgr@${mgrId}.service`),
    {
      title: 'ceph: store of the OSD',
      isDone: async () => existsSync(`${osdDir}/ready`) && await admin.knowsOsd(cluster.osdUuid),
      make: async () => {
        if (!(await admin.knowsOsd(cluster.osdUuid))) await admin.must({ prefix: 'osd new', uuid: cluster.osdUuid, id: osdId });
        if (!existsSync(`${osdDir}/ready`)) await $`ceph-osd --mkfs -i ${osdId} --osd-uuid ${cluster.osdUuid} --setuser ceph --setgroup ceph`;
      },
    },
    serviceStep(`ceph-osd@${osdId}.service`),
    {
      title: `ceph: pool ${spec.pool}`,
      isDone: async () => (await admin.json<{ poolname: string }[]>({ prefix: 'osd lspools' })).some(({ poolname }) => poolname === spec.pool)
        && Object.keys(await admin.json<object>({ prefix: 'osd pool application get', pool: spec.pool })).includes('rbd'),
      make: async () => {
        await admin.must({ prefix: 'osd pool create', pool: spec.pool, pg_num: 8, pgp_num: 8 });
        await admin.must({ prefix: 'osd pool application enable', pool: spec.pool, app: 'rbd' });
      },
    },
    {
      title: 'ceph: health warnings that a lab has on purpose are muted',
      isDone: async () => (await admin.json<{ mutes?: { code: string }[] }>({ prefix: 'health', detail: 'detail' })).mutes?.some(({ code }) => code === mutedCode) === true,
      make: async () => void await admin.must({ prefix: 'health mute', code: mutedCode, sticky: true }),
    },
    {
      title: `ceph: gateways of group "${spec.group}"`,
      isDone: async () => (await admin.missingGateways()).length === 0,
      make: async () => {
        for (const id of await admin.missingGateways()) await admin.must({ prefix: 'nvme-gw create', id, pool: spec.pool, group: spec.group });
      },
    },
    {
      title: 'ceph: active+clean',
      isDone: async () => isClean(await admin.must({ prefix: 'status', format: 'json' })),
      make: () => until(async () => isClean(await admin.must({ prefix: 'status', format: 'json' })), cleanMaxMs),
      evidence: () => admin.must({ prefix: 'health', detail: 'detail' }),
    },
    imagesStep(spec),
  ];
  return { steps, close: () => admin.close() };
}

/** Everyone with the secret of the kind that this release makes and takes. */
async function entitiesOf(spec: CephSpec, { secrets }: ClusterIdentity): Promise<CephEntity[]> {
  const type = await installedSecretType();
  return makeEntities(spec, type).map((entity) => ({ ...entity, secret: secrets[entity.name]![type] }));
}

export async function installedSecretType(): Promise<1 | 2> {
  const { stdout } = await $`ceph-authtool --gen-print-key`;
  return secretType(stdout.trim());
}

/** A unit of systemd that runs, and does so after the next boot. */
export function serviceStep(unit: string): Step {
  const is = async (what: 'is-active' | 'is-enabled'): Promise<boolean> => (await $({ nothrow: true })`systemctl --quiet ${what} ${unit}`).exitCode === 0;
  return {
    title: `service ${unit.replace(/\.service$/, '')}`,
    isDone: async () => await is('is-active') && await is('is-enabled'),
    make: async () => void await $`systemctl enable --quiet --now ${unit}`,
    evidence: async () => (await $({ nothrow: true })`journalctl --no-pager -n 15 -u ${unit}`).stdout,
  };
}

/** The pool's images that are not there yet. */
export function imagesStep({ pool, images }: Pick<CephSpec, 'pool' | 'images'>): Step {
  const missing = async (): Promise<CephSpec['images'][number][]> => {
    const there = new Set((await $`rbd ls ${pool}`).stdout.split('\n'));
    return images.filter(({ name }) => !there.has(name));
  };
  return {
    title: 'ceph: images',
    isDone: async () => (await missing()).length === 0,
    make: async () => {
      // exclusive-lock would let two gateways fight for an image; fencing here is the blocklist alone.
      for (const { name, megabytes } of await missing()) await $`rbd create ${pool}/${name} --size ${megabytes}M --image-feature layering`;
    },
  };
}

export async function until(isSo: () => Promise<boolean>, maxMs: number): Promise<void> {
  const deadline = Date.now() + maxMs;
  while (!(await isSo())) {
    if (Date.now() >= deadline) throw new Error(`not so within ${maxMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Administrator's commands over our own client of the monitor: the `ceph` program takes an emulated processor five seconds for each. */
class Admin {
  readonly #spec: CephSpec;
  readonly #secret: string;
  #session: CephMonSession | undefined;

  constructor(spec: CephSpec, secret: string) {
    this.#spec = spec;
    this.#secret = secret;
  }

  async must(command: Record<string, string | number | boolean>): Promise<string> {
    this.#session ??= new CephMonSession({ mons: monsOf(this.#spec).map(({ address }) => ({ host: address, port: monPort })), entity: 'client.admin', key: this.#secret, timers: { commandMs: commandMaxMs } });
    const session = this.#session;
    // A monitor that has just made its store is not at once there.
    await until(() => Promise.resolve(session.connected), connectMaxMs);
    const { code, status, output } = await session.command(command);
    if (code !== 0) throw new Error(`ceph ${String(command['prefix'])}: ${status} (${code})`);
    return output.toString('utf8');
  }

  async json<T>(command: Record<string, string | number>): Promise<T> {
    return JSON.parse(await this.must({ ...command, format: 'json' })) as T;
  }

  async knowsOsd(uuid: string): Promise<boolean> {
    const { osds } = await this.json<{ osds: { osd: number; uuid: string }[] }>({ prefix: 'osd dump' });
    return osds.some((each) => each.osd === osdId && each.uuid === uuid);
  }

  async missingGateways(): Promise<string[]> {
    const shown = await this.must({ prefix: 'nvme-gw show', pool: this.#spec.pool, group: this.#spec.group });
    return this.#spec.gateways.filter((id) => !shown.includes(`"${id}"`));
  }

  async close(): Promise<void> {
    await this.#session?.close();
  }
}
