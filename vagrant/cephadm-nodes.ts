import { bootstrapConfig, cephNvmeofServiceYaml, gatewayServiceYaml, serviceName, type ClusterSpec } from '../src/lab/native/cluster-spec.js';
import { daemonImage } from '../src/lab/native/host-files.js';
import { gatewayPort, servedOf } from '../src/lab/native/programs.js';
import { defaultRecipe } from '../src/lab/qemu/image/recipe.js';
import { addressOf, fabricNames } from '../src/lab/qemu/network.js';
import { hostConfigOf, imagesOf } from '../src/lab/qemu/design.js';
import { hostModules } from '../src/lab/qemu/provision/host.js';
import type { Plan } from '../src/plan/types.js';
import { cephadmPackages } from './box/recipe.js';
import { commonPart } from './nodes.js';
import type { CephadmDescription, NodeDescription } from './provision/node.js';
import type { LabSettings } from './settings.js';

const cephNode = 'ceph';
/** On libvirt's virtio, and on VirtualBox's controller. */
const osdDevices = ['/dev/vdb', '/dev/sdb'];
const osdMegabytes = 8_192;
/** Of a gateway that the orchestrator deploys, in the folder beside its description. */
const gatewayProgram = 'cephadm-gateway.mjs';

/** With emulated processors: modules of the manager that a lab has no use for take minutes to load, and what the monitor takes for dead is only slow. cephadm itself needs `progress`. */
const emulatedConfig = [
  '[global]', 'mon_mgr_beacon_grace = 300', 'osd_heartbeat_grace = 120', 'mon_osd_report_timeout = 1800',
  '[mgr]', 'mgr_disabled_modules = alerts,balancer,devicehealth,influx,insights,iostat,localpool,mirroring,nfs,osd_perf_query,osd_support,pg_autoscaler,prometheus,rbd_support,selftest,smb,snap_schedule,stats,status,telegraf,telemetry,test_orchestrator,volumes', '',
].join('\n');

/** Several texts of a ceph.conf as one: cephadm's parser refuses a section that comes twice. */
export function mergedConfig(texts: readonly string[]): string {
  const sections = new Map<string, string[]>();
  for (const text of texts) {
    let lines: string[] | undefined;
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const section = /^\[(.+)\]$/.exec(line)?.[1];
      if (section === undefined) lines!.push(line);
      else sections.set(section, lines = sections.get(section) ?? []);
    }
  }
  return [...sections].map(([section, lines]) => `[${section}]\n${lines.map((line) => `${line}\n`).join('')}`).join('');
}

export interface CephadmSecrets { fsid: string; key: { secret: string; public: string } }

/** What each machine of the flavour cephadm is told. The orchestrator alone logs in to the gateways' machines and deploys there. */
export function describeCephadmNodes(settings: LabSettings, plan: Plan, { fsid, key }: CephadmSecrets): NodeDescription[] {
  const { topology } = plan;
  const isLocal = settings.images === 'local';
  const fabrics = fabricNames.slice(0, settings.fabrics);
  const gateways = topology.gateways.map(({ name }) => name);
  const names = [cephNode, ...gateways, ...topology.hosts.map(({ name }) => name)];
  const nodes = names.map((name) => ({ name }));
  const base = defaultRecipe(settings.debian_suite).packages.filter((name) => !/^ceph-(mon|mgr|osd|base)$/.test(name));
  const spec: ClusterSpec = {
    pool: topology.pool, group: topology.group, gatewayHosts: gateways, osdMegabytes, settings: {},
    images: imagesOf(topology),
  };
  const served = { ...servedOf(plan), nodes: Object.fromEntries(gateways.map((name) => [name, { addresses: fabrics.slice(1).map((fabric) => addressOf(fabric, name)) }])) };
  const cephadm: CephadmDescription = {
    fsid, key, host: cephNode, address: addressOf('a', cephNode), pull: !isLocal, osdDevices, cephMajor: settings.ceph_release,
    config: mergedConfig([isLocal ? bootstrapConfig({}) : registryConfig(settings), ...(settings.accel === 'tcg' ? [emulatedConfig] : [])]),
    image: isLocal ? daemonImage : settings.ceph_image,
    pool: spec.pool, group: spec.group, images: [...spec.images], gateways: gateways.map((name) => ({ name, address: addressOf('a', name) })),
    service: serviceName(spec), services: gateways.map((_, index) => (isLocal ? gatewayServiceYaml : cephNvmeofServiceYaml)(spec, gateways.slice(0, index + 1))),
    ...(isLocal ? {} : { nvmeof: {
      nqn: topology.nqn, pool: spec.pool, group: spec.group, cliImage: settings.nvmeof_cli_image, serverAddress: addressOf('a', gateways[0]!),
      listeners: gateways.flatMap((host) => fabrics.map((fabric) => ({ host, address: addressOf(fabric, host), port: gatewayPort }))),
      namespaces: topology.namespaces.map(({ image, anaGroup }) => ({ image, anaGroup })),
    } }),
  };
  return names.map((name): NodeDescription => {
    const common = { ...commonPart(settings, nodes, name), modules: [], packages: [...base, ...cephadmPackages], authorizedKeys: [key.public] };
    if (name === cephNode) return { ...common, cephadm };
    if (!gateways.includes(name)) {
      return {
        ...common, packages: [...base], modules: [...hostModules], authorizedKeys: [], program: { entry: 'host', config: hostConfigOf(plan, name) },
        // The real gateways give namespaces UUIDs of their own.
        namespaces: isLocal ? topology.namespaces.map(({ uuid }) => uuid) : topology.namespaces.length,
      };
    }
    if (!isLocal) return common;
    return {
      ...common, folders: ['/run/pathproof'],
      files: [
        // The folder is in memory, and podman makes none.
        { path: '/etc/tmpfiles.d/pathproof.conf', text: 'd /run/pathproof 0755\n' },
        { path: '/opt/pathproof/gateway.mjs', from: gatewayProgram },
        { path: '/etc/pathproof/subsystem.json', text: `${JSON.stringify(served, null, 2)}\n` },
      ],
    };
  });
}

/** One OSD is all there is; which images, cephadm and its Ceph release know, unless somebody has said. */
function registryConfig({ nvmeof_image: image }: LabSettings): string {
  return [
    '[global]', 'osd_pool_default_size = 1', 'osd_pool_default_min_size = 1', 'mon_allow_pool_size_one = true',
    ...(image === '' ? [] : ['[mgr]', `mgr/cephadm/container_image_nvmeof = ${image}`]), '',
  ].join('\n');
}
