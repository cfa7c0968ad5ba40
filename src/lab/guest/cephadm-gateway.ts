import { parseArgs } from 'node:util';
import { readCephadmSettings, readServed, servedFile, servedListeners, servedNamespaces, servedTimers, type CephadmSettings, type Served } from '../../gateway/cephadm/index.js';
import { openQsdStore } from '../../gateway/qsd/index.js';
import { stateText } from '../../gateway/gateway-state.js';
import { UserspaceGateway } from '../../gateway/userspace-gateway.js';
import type { NodeEvent } from '../../history/events.js';
import { connectCephMonitor } from '../../monitor/ceph-client/index.js';
import { usageError } from '../../util/errors.js';
import { farewellMs, gatewayExitCodes, tellEnding } from '../member/gateway-exit.js';
import { gatewayHandlers } from '../member/gateway-handlers.js';
import type { MemberContext, StartedMember } from '../member/protocol.js';
import { memberLog, serveMember, wordsOf } from './member.js';
import { WriteHold } from './write-hold.js';

/** What a harness is told when it attaches. */
export interface CephadmGatewayInfo {
  /** In events; see `nodes` of subsystem.json. */
  name: string;
  /** By which the monitor knows it: `client.nvmeof.POOL.GROUP.HOST.SUFFIX`. */
  gwId: string;
  /** As the container sees it, and of the storage daemon beside it. */
  pid: number;
  storePid: number | undefined;
  /** Of the clients that do its I/O: what the monitor blocklists to fence this incarnation. Key: image. */
  storeAddresses: Record<string, string>;
}

/** Where the harness reaches it, in a folder that the service's spec mounts. */
const socketDefault = '/run/pathproof/gateway.sock';
/** Some minutes of a gateway's reports. */
const keptEventsMax = 4_096;
/** A gateway outlasts the largest queue count that a host of the lab may ask for. */
const ioQueuesMax = 64;
/** How long the store may take to close its images; podman kills a container 10 s after SIGTERM. */
const storeGraceMs = 3_000;
/** By then it ends whatever is still open. */
const stopMaxMs = 8_000;

interface Arguments { conf: string; served: string; socket: string; nodeName: string }

/** `-c /src/ceph-nvmeof.conf`, as the entry point of a real ceph-nvmeof image is called. */
function argumentsOf(argv: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string', short: 'c' }, subsystem: { type: 'string' }, socket: { type: 'string' } } });
  if (values.config === undefined) throw usageError('USAGE', 'usage: gateway.mjs -c ceph-nvmeof.conf [--subsystem FILE] [--socket FILE]');
  return { conf: values.config, served: values.subsystem ?? servedFile, socket: values.socket ?? socketDefault, nodeName: env['NODE_NAME'] ?? '' };
}

/** One incarnation of a gateway in a container that cephadm deploys: the agent, our target, and RBD through a storage daemon, joined to the real monitor. */
async function startGateway(name: string, nodeName: string, settings: CephadmSettings, served: Served, context: MemberContext): Promise<StartedMember> {
  const { gwId, pool, group, addr, entity, key, fsid, mons, cephConf, keyring } = settings;
  const log = (line: string): void => context.log(line);
  log(`${gwId} of group "${group}", pool ${pool}, on ${nodeName === '' ? 'an unnamed host' : nodeName}`);
  const store = await openQsdStore({ images: served.namespaces.map(({ image, blockSize }) => ({ name: image, blockSize })), cluster: { cephConf, keyring, entity, pool }, log });
  const monitor = connectCephMonitor({ mons, entity, key, fsid, log });
  const hold = new WriteHold();
  const gateway = new UserspaceGateway({
    name, gwId, pool, group, nqn: served.nqn, serial: served.serial, namespaces: servedNamespaces(served), listeners: servedListeners(served, nodeName, addr),
    timers: servedTimers(served), monitor, log,
    store: {
      address: (image) => store.addressOf(image), openImage: (image) => store.openImage(image), waitForEpoch: (epoch) => store.waitForEpoch(epoch),
      currentEpoch: () => store.currentEpoch(), onFenced: (listener) => store.onFenced(listener),
    },
    target: { allowHeaderDigest: served.digests.header, allowDataDigest: served.digests.data, ioQueuesMax, hooks: { beforeWriteToBackend: () => hold.pass() } },
    agent: { onFenced: served.onFenced, onEnding: tellEnding(name, context) },
    ...(served.hosts === undefined ? {} : { hosts: served.hosts }),
    onState: (state) => context.emit(state),
  });
  void store.lost.then((why) => gateway.reportStoreLost(why));
  let stopping = false;
  void gateway.ended.then(async ({ reason, detail }) => {
    log(`ended: ${reason}: ${detail}`);
    if (stopping) return;
    await Promise.all([monitor.close(), store.close()]);
    // Nothing is served any more; the service manager starts a new incarnation, with new store clients.
    setTimeout(() => process.exit(gatewayExitCodes[reason]), farewellMs);
  });
  const info: CephadmGatewayInfo = {
    name, gwId, pid: process.pid, storePid: store.pid,
    storeAddresses: Object.fromEntries(served.namespaces.map(({ image }) => [image, store.addressOf(image)])),
  };
  gateway.start();
  return {
    info,
    handlers: {
      info: () => info,
      ...gatewayHandlers(gateway),
      /** From now on writes are held before the store gets them. */
      holdWrites: () => hold.begin(),
      heldWrites: () => hold.count,
      /** Lets them go on, in order; answers how many there were. */
      releaseWrites: () => hold.end(),
    },
    announce: () => gateway.announce(),
    stop: async () => {
      stopping = true;
      setTimeout(() => process.exit(gatewayExitCodes.stopped), stopMaxMs).unref();
      await gateway.stop();
      await Promise.all([monitor.close(), store.close(storeGraceMs)]);
    },
  };
}

/** To journald, through podman: what changes, not what is reported again and again. */
function printChanges(): (event: NodeEvent) => void {
  let last = '';
  return (event) => {
    if (event.type === 'self.watch') return;
    if (event.type === 'gw.state') {
      const text = stateText(event);
      if (text === last) return;
      last = text;
    }
    process.stdout.write(`${JSON.stringify(event)}\n`);
  };
}

async function main(): Promise<void> {
  const args = argumentsOf(process.argv.slice(2), process.env);
  const served = readServed(args.served);
  const settings = readCephadmSettings(args.conf);
  const name = served.nodes[args.nodeName]?.name ?? (args.nodeName === '' ? settings.gwId : args.nodeName);
  await serveMember({ name, path: args.socket, keptEventsMax, onEvent: printChanges() }, (context) => startGateway(name, args.nodeName, settings, served, context));
}

main().catch((error: unknown) => {
  memberLog('gateway', `failed to start: ${wordsOf(error)}`);
  process.exit(1);
});
