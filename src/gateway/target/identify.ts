import {
  Anacap, Cmic, Cns, ControllerType, Ctratt, decodeIdentify, encodeActiveNsList, encodeIdentifyController, encodeIdentifyNamespace,
  encodeNsDescriptors, ioccszFor, Limit, Nmic, Oncs, Sgls, Size, Status, version14,
} from '../../nvme/index.js';
import { checkReceiveSgl } from './command.js';
import type { Command } from './command.js';
import { oaesOf } from './controller.js';
import type { Controller } from './controller.js';
import { isAccessible } from './ana-groups.js';
import { keepAliveGranularity } from './keep-alive.js';
import type { Namespace } from './subsystem.js';

/** Extended data for Get Log Page: offset and NUMDU work (LPA bit 2). */
const lpaExtendedData = 1 << 2;
/** 2^6-byte SQEs and 2^4-byte CQEs, both as minimum and maximum. */
const sqes64 = 0x66;
const cqes16 = 0x44;
const cqeUnits = Size.cqe / 16;
/** Abort limit, 0-based. Aborts are answered at once, so there never are several. */
const abortLimit = 3;

/** Identify (06h). */
export function executeIdentify(command: Command, controller: Controller): void {
  const { cns } = decodeIdentify(command.sqe);
  const bad = checkReceiveSgl(command, Size.identify, false);
  if (bad !== undefined) return command.fail(bad, true);
  if (cns === Cns.controller) return command.succeedWithData(identifyController(controller));
  // A discovery controller has no namespaces.
  if (controller.subsystem.kind === 'discovery') return command.fail(Status.invalidField, true);
  switch (cns) {
    case Cns.namespace: return identifyNamespace(command, controller);
    case Cns.activeNamespaces: return activeNamespaces(command, controller);
    case Cns.namespaceDescriptors: return namespaceDescriptors(command, controller);
    default: return command.fail(Status.invalidField, true);
  }
}

function identifyController(controller: Controller): Buffer {
  const { subsystem, settings } = controller;
  const common = {
    sn: subsystem.serial, mn: subsystem.model, fr: '1',
    cntlid: controller.cntlid, ver: version14, mdts: settings.mdts,
    oaes: oaesOf[subsystem.kind], ctratt: Ctratt.hostId128,
    acl: abortLimit, aerl: settings.asyncEventsMax - 1, lpa: lpaExtendedData, kas: keepAliveGranularity,
    maxcmd: settings.queueEntriesMax, sgls: Sgls.supported | Sgls.inCapsuleOffset | Sgls.transport,
    subnqn: subsystem.nqn,
  };
  if (subsystem.kind === 'discovery') return encodeIdentifyController({ ...common, cntrltype: ControllerType.discovery });
  return encodeIdentifyController({
    ...common,
    cntrltype: ControllerType.io,
    cmic: Cmic.multiPort | Cmic.multiController | Cmic.ana,
    anatt: settings.anattS,
    anacap: Anacap.optimized | Anacap.nonOptimized | Anacap.inaccessible | Anacap.persistentLoss | Anacap.change,
    anagrpmax: settings.anaGroups, nanagrpid: settings.anaGroups,
    sqes: sqes64, cqes: cqes16,
    nn: settings.namespacesMax, mnan: settings.namespacesMax,
    oncs: Oncs.compare | Oncs.datasetManagement | Oncs.writeZeroes,
    // A write is answered when it is durable: there is no volatile write cache.
    vwc: 0,
    ioccsz: ioccszFor(settings.inCapsuleBytes), iorcsz: cqeUnits, icdoff: 0, msdbd: 1,
    // Disconnect is supported.
    ofcs: 1,
  });
}

function identifyNamespace(command: Command, controller: Controller): void {
  const { nsid } = command.sqe;
  if (nsid === 0 || nsid > controller.settings.namespacesMax) return command.fail(Status.invalidNamespace, true);
  const namespace = controller.subsystem.namespace(nsid);
  // A valid NSID without a namespace: all zeroes.
  command.succeedWithData(namespace === undefined ? Buffer.alloc(Size.identify) : namespaceData(namespace));
}

function namespaceData(namespace: Namespace): Buffer {
  const { blocks } = namespace.backend;
  return encodeIdentifyNamespace({
    nsze: blocks, ncap: blocks,
    // As nvmet: what cannot be reached is not known to be in use.
    nuse: isAccessible(namespace.group.state) ? blocks : 0,
    nmic: Nmic.shared, anagrpid: namespace.group.id, nguid: namespace.nguid,
    lbaf: [{ ms: 0, lbads: namespace.lbads, rp: 0 }],
  });
}

function activeNamespaces(command: Command, controller: Controller): void {
  const { nsid } = command.sqe;
  if (nsid > Limit.nsidMax - 1) return command.fail(Status.invalidNamespace, true);
  const after = controller.subsystem.nsids.filter((active) => active > nsid);
  command.succeedWithData(encodeActiveNsList(after.slice(0, Limit.nsListEntriesMax)));
}

function namespaceDescriptors(command: Command, controller: Controller): void {
  const namespace = controller.subsystem.namespace(command.sqe.nsid);
  if (namespace === undefined) return command.fail(Status.invalidNamespace, true);
  command.succeedWithData(encodeNsDescriptors({ nguid: namespace.nguid, uuid: namespace.uuid, csi: 0 }));
}
