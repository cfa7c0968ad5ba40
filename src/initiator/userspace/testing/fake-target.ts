import { once } from 'node:events';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import type { AnaStateName, Cqe, IdentifyController, Pdu, Sqe } from '../../../nvme/index.js';
import { encodeAnaLog, encodeDiscoveryLog, ioccszFor } from '../../../nvme/index.js';
import type { DiscoveryEntry } from '../../../nvme/index.js';
import { FakeConnection } from './fake-connection.js';
import type { FakeNamespace } from './fake-subsystem.js';
import { fakeNqn } from './fake-subsystem.js';

/** A command as the script sees it, before anything was done about it. */
export interface FakeCommand {
  target: FakeTarget;
  connection: FakeConnection;
  qid: number;
  sqe: Sqe;
  /** FCTYPE of a Fabrics command. */
  fctype: number | null;
  /** `io`, `fabrics`, or an admin command. */
  kind: 'io' | 'admin' | 'fabrics';
}

/**
 * What to do with a command instead of serving it.
 *
 * - `drop`: never answer.
 * - `wait`: serve it when the promise resolves; `delayMs` likewise.
 * - `status`: answer with an error, without doing anything.
 * - `reset`: reset its connection.
 * - `raw`: the script does it all itself.
 */
export type FakeAction =
  | 'drop' | 'reset'
  | { wait: Promise<unknown> } | { delayMs: number }
  | { status: number; dnr?: boolean; crd?: number; dw0?: number }
  | { raw: (connection: FakeConnection, cid: number) => void };

export interface FakeTargetOptions {
  namespaces: FakeNamespace[];
  nqn?: string;
  /** First controller id. */
  cntlid?: number;
  ana?: Record<number, AnaStateName>;
  identify?: Partial<IdentifyController>;
  /** In-capsule data of I/O commands, bytes. Default 4,096. */
  inCapsuleBytes?: number;
  maxH2cData?: number;
  cpda?: number;
  /** End reads with the SUCCESS flag instead of a CapsuleResp. */
  successFlag?: boolean;
  /** Bytes of one C2HData PDU. */
  c2hBytes?: number;
  /** Bytes of one R2T, and how many are sent at once. */
  r2tBytes?: number;
  r2tsAtOnce?: number;
  /** Before CSTS.RDY is set. */
  readyMs?: number;
  discovery?: Partial<DiscoveryEntry>[];
}

/** One controller: made by an admin Connect, gone with its admin connection. */
export interface FakeController {
  cntlid: number;
  admin: FakeConnection;
  /** Cids of AERs that wait for an event. */
  aers: number[];
  /** Events that wait for an AER. */
  events: number[];
  /** Logs whose event was sent and that were not read since. */
  masked: Set<number>;
  enabledAt: number;
  cc: number;
}

/** A scriptable NVMe/TCP target for tests of the host: everything it does can be overruled per command. */
export class FakeTarget {
  readonly o: FakeTargetOptions;
  namespaces: FakeNamespace[];
  ana: Map<number, AnaStateName>;
  /** ANA groups that the log leaves out. */
  readonly hiddenGroups = new Set<number>();
  readonly controllers = new Map<number, FakeController>();
  readonly connections = new Set<FakeConnection>();
  /** Called for each command; undefined: serve it. */
  script: (command: FakeCommand) => FakeAction | undefined = () => undefined;
  /** Changes the bytes of a PDU on its way out. */
  mangle: ((pdu: Pdu, buffers: Buffer[]) => Buffer[]) | undefined;
  /** Every command that arrived. */
  readonly seen: FakeCommand[] = [];
  keepCommands = true;
  /** Connections that were accepted since the start. */
  accepted = 0;
  readonly #server: Server;
  #nextCntlid: number;
  #port = 0;

  constructor(options: FakeTargetOptions) {
    this.o = options;
    this.namespaces = options.namespaces;
    this.ana = new Map<number, AnaStateName>(Object.entries(options.ana ?? { 1: 'optimized' as const }).map(([group, state]) => [Number(group), state]));
    this.#nextCntlid = options.cntlid ?? 1;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.accepted += 1;
      this.connections.add(new FakeConnection(this, socket));
    });
  }

  get port(): number {
    return this.#port;
  }

  get nqn(): string {
    return this.o.nqn ?? fakeNqn;
  }

  async listen(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    return this;
  }

  /** Stops listening and resets every connection: what a killed process looks like. */
  async kill(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    this.resetConnections();
    await closed;
  }

  /** Listens again on the same port after `kill`. */
  async revive(): Promise<void> {
    await this.listen(this.#port);
  }

  resetConnections(): void {
    for (const connection of this.connections) connection.reset();
  }

  newController(admin: FakeConnection): FakeController {
    const controller: FakeController = { cntlid: this.#nextCntlid, admin, aers: [], events: [], masked: new Set(), enabledAt: 0, cc: 0 };
    this.#nextCntlid += 1;
    this.controllers.set(controller.cntlid, controller);
    return controller;
  }

  /** Changes the state of a group; with `aen` (default) the controllers are told. */
  setAna(group: number, state: AnaStateName, options: { aen?: boolean } = {}): void {
    this.ana.set(group, state);
    if (options.aen !== false) this.event(0x000c_0302);
  }

  /** Sends an asynchronous event to every controller, masked per log as the specification says. */
  event(dw0: number): void {
    for (const controller of this.controllers.values()) {
      const log = (dw0 >> 16) & 0xff;
      if (controller.masked.has(log)) {
        if (!controller.events.includes(dw0)) controller.events.push(dw0);
        continue;
      }
      controller.masked.add(log);
      const cid = controller.aers.shift();
      if (cid === undefined) controller.events.push(dw0);
      else controller.admin.respond({ cid, dw0 });
    }
  }

  /** A log was read with RAE = 0: its events may be sent again. */
  logRead(controller: FakeController, log: number): void {
    controller.masked.delete(log);
    // Events of a log that has just been read are old news.
    controller.events = controller.events.filter((dw0) => ((dw0 >> 16) & 0xff) !== log);
  }

  anaLog(): Buffer {
    const ids = new Set([...this.ana.keys(), ...this.namespaces.map((ns) => ns.anaGroup)]);
    return encodeAnaLog({
      changeCount: 0,
      groups: [...ids].filter((id) => !this.hiddenGroups.has(id)).map((id) => ({
        id, changeCount: 0, state: this.ana.get(id) ?? 'inaccessible',
        nsids: this.namespaces.filter((ns) => ns.anaGroup === id).map((ns) => ns.nsid),
      })),
    });
  }

  discoveryLog(): Buffer {
    return encodeDiscoveryLog({ genctr: 7, entries: this.o.discovery ?? [] });
  }

  identify(cntlid: number): Partial<IdentifyController> {
    return {
      cntlid, subnqn: this.nqn, cmic: 0b1011, oaes: 0x900, kas: 1, anatt: 10, anacap: 0x1f, anagrpmax: 16, nanagrpid: 16, mdts: 5, nn: 1_024, mnan: 1_024,
      aerl: 3, sqes: 0x66, cqes: 0x44, maxcmd: 128, sgls: 0x10_0001, ioccsz: ioccszFor(this.o.inCapsuleBytes ?? 4_096), iorcsz: 1,
      sn: 'FAKE', mn: 'pathproof fake', fr: '1', crdt1: 1, crdt2: 2, crdt3: 3, ...this.o.identify,
    };
  }

  /** I/O commands that arrived, by opcode. */
  ios(opcode: number): FakeCommand[] {
    return this.seen.filter((command) => command.kind === 'io' && command.sqe.opcode === opcode);
  }
}

export type { FakeConnection };
export type FakeAnswer = Partial<Cqe> & { cid: number };
