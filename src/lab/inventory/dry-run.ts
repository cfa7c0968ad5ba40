import { namespacesOf } from '../../plan/hosts.js';
import type { Plan, PlanStep } from '../../plan/types.js';
import { hostJournalPath } from '../guest/host-config.js';
import { nodeLogScript } from '../qemu/lab/node-logs.js';
import { pingCommand } from '../qemu/lab/qemu-gateway.js';
import { parseEndpoint } from '../qemu/network.js';
import { installedFiles, programExitCommand, programStartCommand } from '../qemu/programs.js';
import { uploadCommand } from '../ssh/connection.js';
import { cephadmOrders, orchWords } from '../../fault/cephadm-specs.js';
import { auditWords, containersCommand, daemonsWords, killContainerCommand } from '../cephadm/cephadm-service.js';
import { cephadmHostOf, containerNameOf, exportSpecification, killGateway, listListeners, removeListener, restoreService, serviceOf, startGateway, watchersCommand } from './cephadm/commands.js';
import { watchCommand } from './cephadm/gateway-watch.js';
import { clockCommand } from './check.js';
import type { GuestEntry } from '../guest/bundle.js';
import { storeAddressOf } from './configs.js';
import { cephCommand, createGateway, cutLink, gatewayEntry, kernelChanges, keyringCommand, linksOf, markScratch, removeGateway, removeHost, stampBytes, zeroNamespace, type Change } from './commands.js';
import { factsScript } from './facts.js';
import { allows, hasExistingGateways, hostNamed, withRole, type Inventory } from './file.js';
import { harnessHost } from './hosts.js';
import { readJournal } from './journal.js';
import { imageScript, namespaceSampleScript, sampleScript } from './scratch.js';
import { anaGroupsCommand, controllersCommand } from './soundness.js';

/** A command that a run would execute. What only a host can tell stands in capitals: PID, PREFIX, DIR. */
export interface PlannedCommand {
  host: string;
  what: string;
  /** `look`: changes nothing. `change`: its undo is among the last. */
  when: 'look' | 'change' | 'start of run' | 'fault' | 'heal' | 'end of run' | 'undo' | 'undo of a killed run';
  command: string;
}

/** RBD's default; only an image that was made otherwise has another. */
const usualObjectBytes = 4_194_304;

/**
 * Every command that `run` would execute on every host, in order, from the functions that the run itself takes them from. Work on
 * different hosts goes on at the same time; each host's own order is this one. Reads the inventory, the plans and the journal, and nothing else.
 */
export function plannedCommands(inventory: Inventory, plans: readonly Plan[]): PlannedCommand[] {
  const list: PlannedCommand[] = [];
  const say = (when: PlannedCommand['when'], host: string, what: string, command: string): void => void list.push({ host, what, when, command });
  const undos: { host: string; change: Pick<Change, 'what' | 'undo'> }[] = [];
  const change = (host: string, each: Change): void => {
    say('change', host, each.what, each.command);
    undos.push({ host, change: each });
  };
  const { admin } = inventory.cluster;
  for (const { host, what, command } of readJournal(inventory.name).open) say('undo of a killed run', host, what, command);
  const plan = plans[0];
  if (plan === undefined) return list;

  for (const { name } of inventory.hosts) {
    say('look', name, 'what is there', factsScript(inventory));
    for (let i = 0; i < 2; i++) say('look', name, 'its clock', clockCommand);
  }
  const existing = hasExistingGateways(inventory);
  const lookAtImage = (image: string, mebibytes: number): void => {
    say('look', admin, `image ${image}`, imageScript(inventory, image));
    say('look', admin, `what is in image ${image}, if anything was ever written to it`, sampleScript(inventory, { bytes: mebibytes * 1_048_576, objectBytes: usualObjectBytes, prefix: 'PREFIX', watchers: [], written: true, mark: '' }));
  };
  for (const { image, mebibytes } of inventory.namespaces) lookAtImage(image, mebibytes);
  if (inventory.cluster.keyring !== null) say('look', admin, 'the administrator’s key, by which the monitors are asked through this connection', keyringCommand(inventory));
  if (existing && allows(inventory, 'cephadm')) say('look', admin, 'how cephadm has the gateways’ service', exportSpecification(inventory));
  for (const { name } of existing ? [] : withRole(inventory, 'gateway')) {
    const { what, ...rest } = createGateway(inventory, name);
    change(admin, { what: `${what}, if the monitor does not know it yet`, ...rest });
  }
  const mark = (): void => inventory.namespaces.forEach(({ image }) => say('change', admin, `image ${image} is pathproof's from now on (stays)`, markScratch(inventory, image)));
  if (!existing) mark();
  for (const { name } of existing ? [] : withRole(inventory, 'gateway')) program(name, gatewayEntry(inventory), removeGateway(name));
  for (const { name } of withRole(inventory, 'host')) program(name, 'host', removeHost(name, plan.topology.nqn));
  for (const { name } of existing ? plan.topology.hosts : []) {
    for (const { nsid, uuid, image, blocks, blockSize } of namespacesOf(plan.topology, name)) {
      say('look', name, `is namespace ${nsid} the image ${image}`, namespaceSampleScript(uuid, { bytes: blocks * blockSize, objectBytes: usualObjectBytes }));
      lookAtImage(image, (blocks * blockSize) / 1_048_576);
    }
  }
  if (existing) mark();

  for (const each of plans) planRun(inventory, each, say);
  // Noted when cephadm is told something for the first time.
  if (plans.some(({ steps }) => steps.some((step) => step.do === 'inject' && step.fault.startsWith('cephadm.')))) say('undo', admin, `service ${serviceOf(inventory)} handled by cephadm; SPECIFICATION is what was exported`, restoreService(inventory, 'SPECIFICATION'));
  for (const { host, change: { what, undo } } of undos.reverse()) say('undo', host, what, undo);
  return list;

  function program(name: string, entry: GuestEntry, undo: string): void {
    for (const each of kernelChanges(entry)) change(name, each);
    undos.push({ host: name, change: { what: `${entry} program and its folders`, undo } });
    for (const { what, path, mode } of installedFiles(entry, name)) say('change', name, `${entry} program: the ${what}, on standard input`, uploadCommand(path, mode));
    say('change', name, `${entry} program`, programStartCommand(entry, name));
    if (entry !== 'host') say('look', name, `${entry} program: has it ended, until it answers`, programExitCommand(name));
  }
}

type Say = (when: PlannedCommand['when'], host: string, what: string, command: string) => void;

function planRun(inventory: Inventory, plan: Plan, say: Say): void {
  const title = `${plan.suite}/${plan.scenario}`;
  if (hasExistingGateways(inventory)) {
    for (const { name } of withRole(inventory, 'gateway')) {
      say('start of run', name, `${title}: which container cephadm’s unit has, for as long as the run lasts`, watchCommand(inventory.cluster.fsid, serviceOf(inventory)));
      say('start of run', name, `${title}: can it be logged into; its listener is asked through SSH`, 'true');
    }
    say('start of run', inventory.cluster.admin, `${title}: as which clients the gateways have the images open; again after each start`, watchersCommand(inventory));
  }
  for (const { name } of plan.topology.hosts) {
    say('start of run', name, `${title}: are all paths there`, controllersCommand(plan.topology.nqn));
    say('start of run', name, `${title}: in which ANA groups the namespaces are`, anaGroupsCommand(plan.topology.nqn));
    for (const { nsid, uuid } of namespacesOf(plan.topology, name)) say('start of run', name, `${title}: what an earlier run has left in the stamp workload's part of namespace ${nsid}`, zeroNamespace(uuid, stampBytes(plan)));
    say('start of run', name, `${title}: the journal of its I/O, for as long as the run lasts`, `exec tail -q -c +1 -F ${hostJournalPath(name)}`);
    for (const job of (plan.fio ?? []).filter(({ host }) => host === name)) {
      for (const phase of job.phases) say('start of run', name, `${title}: fio job ${job.name}, ${phase}, on namespaces ${job.sections.map(({ nsid }) => nsid).join(', ')}`, "cd DIR; LC_ALL=C 'fio' OPTIONS 'job.fio'   # DIR: mktemp -d /var/tmp/pathproof-fio-XXXXXXXX, removed afterwards");
      say('end of run', name, `${title}: fio job ${job.name} is told to end; PID is its process`, 'kill -INT PID');
    }
  }
  const injected = new Map<string, Extract<PlanStep, { do: 'inject' }>>();
  for (const step of plan.steps) {
    if (step.do === 'inject') {
      injected.set(step.id, step);
      faultCommands(inventory, plan, step, 'fault', say);
    } else if (step.do === 'heal') faultCommands(inventory, plan, injected.get(step.id)!, 'heal', say);
  }
  for (const { name } of inventory.hosts) say('end of run', name, `${title}: its logs`, nodeLogScript);
}

/** What a fault's driver (fault/drivers.ts) does to the hosts. Faults that only ask our own programs for something have no command. */
function faultCommands(inventory: Inventory, plan: Plan, { fault, target }: Extract<PlanStep, { do: 'inject' }>, when: 'fault' | 'heal', say: Say): void {
  const entry = gatewayEntry(inventory);
  const start = (): void => say(when, target, `${fault}: a new gateway program`, programStartCommand(entry, target));
  const end = (signal: 'KILL' | 'TERM'): void => {
    say(when, target, `${fault}: PID is its process`, `kill -${signal} PID`);
    say(when, target, `${fault}: how it ended`, programExitCommand(target));
    say(when, target, `${fault}: is it gone`, 'test -d /proc/PID');
  };
  if (hasExistingGateways(inventory)) return existingFaultCommands(inventory, plan, { fault, target }, when, say);
  switch (fault) {
    case 'gateway.kill':
      return when === 'fault' ? end('KILL') : start();
    case 'gateway.reboot':
      if (when === 'fault') end('KILL');
      return start();
    case 'gateway.remove':
      return when === 'fault' ? end('TERM') : start();
    case 'gateway.power-off':
      powerCommands(inventory, fault, target, when, say);
      if (when === 'fault') return;
      for (const { what, command } of kernelChanges(entry)) say(when, target, `${fault}: ${what}`, command);
      for (const { what, path, mode } of installedFiles(entry, target)) say(when, target, `${fault}: the ${what} again, on standard input`, uploadCommand(path, mode));
      return start();
    default:
      linkCommands(inventory, plan, { fault, target }, when, say);
      // A gateway that was cut off may have ended itself; it is started again as soon as the cluster can be reached.
      if (when === 'heal' && linksOf(plan, fault, target).length > 0) {
        for (const mon of inventory.cluster.mons) say(when, target, `${fault}: does it reach the monitors before it is started again`, pingCommand(parseEndpoint(mon).host));
        start();
      }
  }
}

type Fault = Pick<Extract<PlanStep, { do: 'inject' }>, 'fault' | 'target'>;

/** The same for gateways that cephadm has deployed. */
function existingFaultCommands(inventory: Inventory, plan: Plan, { fault, target }: Fault, when: 'fault' | 'heal', say: Say): void {
  const { admin } = inventory.cluster;
  const start = (): void => say(when, target, `${fault}: its unit is started`, startGateway(inventory));
  const kill = (): void => {
    say(when, target, `${fault}: its container, and its unit`, killGateway(inventory).command);
    say(when, target, `${fault}: is it gone`, 'test -d /proc/PID');
  };
  if (fault === 'gateway.kill' || fault === 'gateway.reboot') {
    if (when === 'fault') kill();
    if (when === 'heal' || fault === 'gateway.reboot') start();
  } else if (fault === 'gateway.power-off') {
    powerCommands(inventory, fault, target, when, say);
    if (when === 'heal') start();
  } else if (fault === 'gateway.listeners') {
    const host = hostNamed(inventory, target);
    say(when, target, `${fault}: which the gateway has`, listListeners(inventory));
    for (const address of host.fabrics!) {
      const { what, command, undo } = removeListener(inventory, host, address);
      say(when, target, when === 'fault' ? what : `${fault}: ${address} is there again`, when === 'fault' ? command : undo);
    }
    if (when === 'heal') start();
  } else if (fault.startsWith('cephadm.')) {
    const host = cephadmHostOf(hostNamed(inventory, target));
    const orch = (words: string): void => say(when, admin, `${fault}${words.includes('DAEMON') ? ': DAEMON is the gateway’s' : ''}`, cephCommand(inventory, `orch ${words}`));
    const orders = cephadmOrders[fault as keyof typeof cephadmOrders][when === 'fault' ? 'inject' : 'heal'];
    for (const order of orders) {
      if (typeof order === 'object' && 'killContainer' in order) say(when, target, `${fault}: CONTAINER is the gateway’s`, killContainerCommand('CONTAINER'));
      else if (typeof order === 'object') orch('apply -i -   # on standard input: what was exported' + (order.place === 'all' ? '; without gateways, one more host at a time' : `, without ${host}`));
      else orch(orchWords(order, { service: serviceOf(inventory), daemon: 'DAEMON', host }));
    }
    say(when, admin, `${fault}: what cephadm says of it, again and again`, cephCommand(inventory, daemonsWords(serviceOf(inventory), true)));
    say(when, admin, `${fault}: what the monitor was told, again and again`, cephCommand(inventory, auditWords));
    say(when, target, `${fault}: what podman runs, again and again`, containersCommand(containerNameOf(inventory)));
  } else {
    linkCommands(inventory, plan, { fault, target }, when, say);
  }
}

function powerCommands(inventory: Inventory, fault: string, target: string, when: 'fault' | 'heal', say: Say): void {
  const { power } = hostNamed(inventory, target);
  if (power === undefined) return;
  say(when, harnessHost, `${fault} ${target}`, when === 'fault' ? power.off : power.on);
  say(when, harnessHost, `${fault} ${target}: its power`, power.status);
  if (when === 'heal') say(when, target, `${fault}: can it be logged into`, 'true');
}

function linkCommands(inventory: Inventory, plan: Plan, { fault, target }: Fault, when: 'fault' | 'heal', say: Say): void {
  if (fault.startsWith('partition.store')) say(when, target, `${fault}: does it reach the store, again and again`, pingCommand(storeAddressOf(inventory)));
  for (const link of linksOf(plan, fault, target)) {
    const { host, what, command, undo } = cutLink(inventory, link, 'both');
    say(when, host, when === 'fault' ? what : `link ${link} healed`, when === 'fault' ? command : undo);
  }
}
