import { existsSync, writeFileSync } from 'node:fs';
import { $ } from 'zx/core';
import { parseNvmeGwShow } from '../../src/monitor/show-parser.js';
import { answers } from './answers.js';
import { checkRelease } from './base.js';
import { imagesStep, until } from './ceph.js';
import { filesStep } from './files.js';
import type { CephadmDescription } from './node.js';
import { managerSteps, nvmeofSteps } from './nvmeof-cli.js';
import type { Step } from './step.js';

const dir = '/etc/pathproof';
const configFile = `${dir}/bootstrap.conf`;
const keyFile = `${dir}/cephadm.key`;
const publicKeyFile = `${dir}/cephadm.pub`;
/** Written when `cephadm bootstrap` has ended well: without it, what is there is the rest of one that did not. */
const doneFile = `${dir}/bootstrapped`;
const sshPort = 22;
/** Each wait is for a machine, or for what cephadm deploys on it, at an emulated processor's pace. */
const hostMaxMs = 1_800_000;
const deployMaxMs = 1_800_000;
const osdMaxMs = 1_200_000;
/** Tries, two seconds apart, in each of cephadm's own waits; 15 by itself, which an emulated processor does not meet. */
const bootstrapRetries = 300;

/**
 * The first node of the flavour cephadm, as an administrator makes it: `cephadm bootstrap`, hosts, OSD, pool, images, and the gateways as
 * the orchestrator's service `nvmeof` by its YAML, one more each time, because the monitor gives out ANA groups in the order of creation.
 */
export function cephadmSteps(wanted: CephadmDescription): Step[] {
  const { fsid, address, key, config, image, pull, pool, gateways, service } = wanted;
  const evidence = async (): Promise<string> => (await $({ nothrow: true })`ceph status; ceph orch ls; ceph orch ps; ceph log last 20 info cephadm`).stdout;
  return [
    filesStep('cephadm: configuration and key', [
      { path: configFile, text: config },
      { path: keyFile, text: key.secret, mode: 0o600 },
      { path: publicKeyFile, text: `${key.public}\n` },
    ]),
    {
      title: 'cephadm bootstrap',
      isDone: () => Promise.resolve(existsSync(doneFile)),
      make: async () => {
        // One that broke off left daemons behind, which a second one would refuse to join.
        if (existsSync(`/var/lib/ceph/${fsid}`)) await $`cephadm rm-cluster --force --zap-osds --fsid ${fsid}`;
        const from = image === '' ? [] : ['--image', image];
        await $`cephadm ${from} --retry ${bootstrapRetries} bootstrap --fsid ${fsid} --mon-ip ${address} --config ${configFile} --ssh-private-key ${keyFile} --ssh-public-key ${publicKeyFile} ${pull ? [] : ['--skip-pull']} --skip-monitoring-stack --skip-dashboard --skip-firewalld --allow-overwrite --no-cleanup-on-failure`;
        writeFileSync(doneFile, `${fsid}\n`);
      },
      evidence: async () => (await $({ nothrow: true })`tail -n 40 /var/log/ceph/cephadm.log; podman ps --all`).stdout,
    },
    {
      title: 'release of Ceph',
      isDone: async () => {
        checkRelease(/^ceph version (\S+)/.exec((await json<{ version: string }>(['version'])).version)?.[1] ?? '', wanted.cephMajor);
        return true;
      },
      make: () => Promise.resolve(),
    },
    // A second monitor or manager would be deployed on each host that is added, and stay; nobody reads crash reports here.
    ...(['mon', 'mgr'] as const).map((type): Step => ({
      title: `orch: ${type} on the first host alone`,
      isDone: async () => placedOn(await list(['orch', 'ls', type]), type, wanted.host),
      make: async () => void await ceph(['orch', 'apply', type, `--placement=${wanted.host}`]),
      evidence,
    })),
    {
      title: 'orch: no crash service',
      isDone: async () => !(await list<{ service_type: string }>(['orch', 'ls'])).some(({ service_type: type }) => type === 'crash'),
      make: async () => {
        await ceph(['orch', 'rm', 'crash']);
        await until(async () => !(await list<{ service_type: string }>(['orch', 'ls'])).some(({ service_type: type }) => type === 'crash'), deployMaxMs);
      },
      evidence,
    },
    ...gateways.map((gateway): Step => ({
      title: `orch: host ${gateway.name}`,
      isDone: async () => (await json<{ hostname: string }[]>(['orch', 'host', 'ls'])).some(({ hostname }) => hostname === gateway.name),
      make: async () => {
        await until(() => answers(gateway.address, sshPort), hostMaxMs);
        await untilEndsWell(() => ceph(['orch', 'host', 'add', gateway.name, gateway.address]), hostMaxMs);
      },
      evidence,
    })),
    {
      title: 'orch: OSD',
      isDone: async () => (await json<{ num_up_osds: number }>(['osd', 'stat'])).num_up_osds > 0,
      make: async () => {
        const device = wanted.osdDevices.find((path) => existsSync(path));
        if (device === undefined) throw new Error(`there is no disk for the OSD: none of ${wanted.osdDevices.join(', ')}`);
        // It returns long after the OSD is up on a slow machine, and an error of its own then says nothing of the OSD.
        const added = ceph(['orch', 'daemon', 'add', 'osd', `${wanted.host}:${device}`, '--method', 'raw']).catch((error: unknown) => error);
        await until(async () => (await json<{ num_up_osds: number }>(['osd', 'stat'])).num_up_osds > 0, osdMaxMs);
        await added;
        // What it leaves is a specification that the orchestrator would try again and again by LVM.
        await $({ nothrow: true })`ceph orch set-unmanaged osd.default`;
      },
      evidence,
    },
    {
      title: `ceph: pool ${pool}`,
      isDone: async () => (await json<{ poolname: string }[]>(['osd', 'lspools'])).some(({ poolname }) => poolname === pool)
        && Object.keys(await json<object>(['osd', 'pool', 'application', 'get', pool])).includes('rbd'),
      make: async () => {
        await ceph(['osd', 'pool', 'create', pool]);
        await $`rbd pool init ${pool}`;
      },
      evidence,
    },
    imagesStep(wanted),
    ...(wanted.nvmeof === undefined ? [] : managerSteps(wanted.nvmeof)),
    ...gateways.map(({ name }, index): Step => ({
      title: `orch: ${service} on ${name}`,
      isDone: async () => await runs(service, name),
      make: async () => {
        const placed = gateways.slice(0, index + 1).map((gateway) => gateway.name);
        const file = `${dir}/nvmeof.yaml`;
        writeFileSync(file, wanted.services[index]!);
        await ceph(['orch', 'apply', '-i', file]);
        await until(async () => (await Promise.all(placed.map((each) => runs(service, each)))).every(Boolean), deployMaxMs);
      },
      evidence,
    })),
    ...(wanted.nvmeof === undefined ? [] : nvmeofSteps(wanted.nvmeof)),
    {
      title: 'nvme-gw: every gateway is AVAILABLE',
      isDone: () => available(wanted),
      make: () => until(() => available(wanted), deployMaxMs),
      evidence: async () => `${await evidence()}${(await $({ nothrow: true })`ceph nvme-gw show ${pool} ${wanted.group}`).stdout}`,
    },
  ];
}

async function ceph(words: readonly string[]): Promise<string> {
  return (await $`ceph ${words}`).stdout;
}

/** The orchestrator says in words that there is none, whatever format it is asked for. */
async function list<T>(words: readonly string[]): Promise<T[]> {
  const said = await ceph([...words, '--format', 'json']);
  return said.trimStart().startsWith('[') ? JSON.parse(said) as T[] : [];
}

async function json<T>(words: readonly string[]): Promise<T> {
  return JSON.parse(await ceph([...words, '--format', 'json'])) as T;
}

/** `ceph orch ls TYPE`: is it placed on this host, and nowhere else? */
export function placedOn(services: readonly { service_type: string; placement?: { hosts?: string[] } }[], type: string, host: string): boolean {
  return services.some((service) => service.service_type === type && service.placement?.hosts?.length === 1 && service.placement.hosts[0] === host);
}

/** cephadm's word for a daemon of the service on a host: it runs (orchestrator.DaemonDescriptionStatus, 1). */
async function runs(service: string, host: string): Promise<boolean> {
  const daemons = await list<{ hostname: string; status: number }>(['orch', 'ps', '--service_name', service]);
  return daemons.some(({ hostname, status }) => hostname === host && status === 1);
}

async function available({ pool, group, gateways }: CephadmDescription): Promise<boolean> {
  const shown = await ceph(['nvme-gw', 'show', pool, group, '--format', 'json']);
  return parseNvmeGwShow(shown).gateways.filter(({ availability }) => availability === 'AVAILABLE').length === gateways.length;
}

/** A host that still is provisioned may lack what cephadm asks of it; its last refusal is the error. */
async function untilEndsWell(work: () => Promise<unknown>, maxMs: number): Promise<void> {
  let refusal: unknown;
  const endsWell = (): Promise<boolean> => work().then(() => true, (error: unknown) => {
    refusal = error;
    return false;
  });
  await until(endsWell, maxMs).catch(() => {
    throw refusal;
  });
}
