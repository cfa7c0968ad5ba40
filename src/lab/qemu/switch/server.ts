import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from '../../../util/errors.js';
import { SwitchCore, type PortState } from './core.js';
import { RecordReader } from './frame.js';
import { PcapFile } from './pcap.js';
import { controlSocketPath, portSocketPath, switchRequestSchema, type Capture, type SwitchConfig, type SwitchReply, type SwitchRequest } from './protocol.js';

/** Bytes that may wait for one node to read them; a switch whose output buffer is full loses frames. */
const outputMaxBytes = 8 * 1024 * 1024;
const captureFlushMs = 250;

interface PortSocket { server: Server; socket: Socket | undefined; batch: Buffer[] }
interface RunningCapture extends Capture { pcap: PcapFile; port: number | undefined }

/** What `state` answers: the counters of the core and whether the node's QEMU is there. */
export type SwitchPortState = PortState & { connected: boolean };

/**
 * The sockets around a SwitchCore: one unix socket per port, to which that node's QEMU connects
 * (`-netdev stream,server=off`), and one for control. A QEMU that connects anew takes its port over.
 */
export class SwitchServer {
  readonly #config: SwitchConfig;
  readonly #core: SwitchCore;
  readonly #ports: PortSocket[] = [];
  readonly #dirty: PortSocket[] = [];
  readonly #captures = new Map<string, RunningCapture>();
  readonly #fabricOfPort: string[] = [];
  readonly #control: Server;
  readonly #controlSockets = new Set<Socket>();
  #releaseTimer: NodeJS.Timeout | undefined;
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(config: SwitchConfig) {
    this.#config = config;
    this.#core = new SwitchCore({ seed: config.seed, output: (port, record) => this.#output(port, record) });
    this.#control = createServer((socket) => this.#serveControl(socket));
  }

  async listen(): Promise<void> {
    for (const { name, nodes } of this.#config.fabrics) {
      for (const node of nodes) {
        const index = this.#core.addPort(name, node);
        const server = createServer((socket) => this.#attach(index, socket));
        this.#ports[index] = { server, socket: undefined, batch: [] };
        this.#fabricOfPort[index] = name;
        await listenOn(server, portSocketPath(this.#config.dir, name, node));
      }
    }
    // Last: who can talk to the control socket may rely on the ports.
    await listenOn(this.#control, controlSocketPath(this.#config.dir));
  }

  async close(): Promise<void> {
    clearTimeout(this.#releaseTimer);
    clearInterval(this.#flushTimer);
    for (const { pcap } of this.#captures.values()) pcap.close();
    this.#captures.clear();
    for (const socket of this.#controlSockets) socket.destroy();
    for (const { socket } of this.#ports) socket?.destroy();
    await Promise.all([this.#control, ...this.#ports.map((p) => p.server)].map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  #attach(index: number, socket: Socket): void {
    const port = this.#ports[index]!;
    port.socket?.destroy();
    port.socket = socket;
    const reader = new RecordReader();
    socket.on('data', (chunk) => {
      try {
        const now = nowMs();
        for (const record of reader.push(chunk)) this.#core.receive(index, record, now);
      } catch (error) {
        process.stderr.write(`port ${index}: ${messageOf(error)}\n`);
        socket.destroy();
      }
      this.#writeBatches();
      this.#scheduleRelease();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (port.socket === socket) port.socket = undefined;
    });
  }

  #output(index: number, record: Buffer): boolean {
    const port = this.#ports[index]!;
    if (port.socket === undefined || port.socket.writableLength > outputMaxBytes) return false;
    if (port.batch.length === 0) this.#dirty.push(port);
    port.batch.push(record);
    return true;
  }

  /** One writev per port and per chunk received. */
  #writeBatches(): void {
    for (const port of this.#dirty.splice(0)) {
      const records = port.batch;
      port.batch = [];
      port.socket?.cork();
      for (const record of records) port.socket?.write(record);
      port.socket?.uncork();
    }
  }

  #scheduleRelease(): void {
    const nextMs = this.#core.nextReleaseMs;
    if (nextMs === undefined || this.#releaseTimer !== undefined) return;
    this.#releaseTimer = setTimeout(() => {
      this.#releaseTimer = undefined;
      this.#core.release(nowMs());
      this.#writeBatches();
      this.#scheduleRelease();
    }, Math.max(0, nextMs - nowMs()));
  }

  #serveControl(socket: Socket): void {
    this.#controlSockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#controlSockets.delete(socket));
    createInterface({ input: socket }).on('line', (line) => {
      let reply: SwitchReply;
      let id = -1;
      try {
        const raw: unknown = JSON.parse(line);
        if (typeof raw === 'object' && raw !== null && 'id' in raw && typeof raw.id === 'number') id = raw.id;
        const result = this.#execute(switchRequestSchema.parse(raw));
        reply = { id, result };
      } catch (error) {
        reply = { id, error: messageOf(error) };
      }
      socket.write(`${JSON.stringify(reply)}\n`);
    });
  }

  #execute(request: SwitchRequest): unknown {
    switch (request.method) {
      case 'addRule': return this.#core.addRule(request.rule, nowMs());
      case 'removeRule': return this.#core.removeRule(request.rule);
      case 'removeAllRules': return this.#core.removeAllRules();
      case 'state': return this.#core.state().map((port, index): SwitchPortState => ({ ...port, connected: this.#ports[index]!.socket !== undefined }));
      case 'startCapture': return this.#startCapture(request.capture);
      case 'stopCapture': return this.#stopCapture(request.file);
    }
  }

  #startCapture(capture: Capture): null {
    if (this.#captures.has(capture.file)) throw new Error(`${capture.file} is being written already`);
    if (!this.#fabricOfPort.includes(capture.fabric)) throw new Error(`there is no fabric ${capture.fabric}`);
    const port = capture.node === undefined ? undefined : this.#core.portIndex(capture.fabric, capture.node);
    this.#captures.set(capture.file, { ...capture, port, pcap: new PcapFile(capture.file) });
    this.#core.tap = (index, direction, record) => this.#tap(index, direction, record);
    this.#flushTimer ??= setInterval(() => {
      for (const { pcap } of this.#captures.values()) pcap.flush();
    }, captureFlushMs);
    return null;
  }

  #stopCapture(file: string): { records: number } {
    const capture = this.#captures.get(file);
    if (capture === undefined) throw new Error(`${file} is not being written`);
    this.#captures.delete(file);
    capture.pcap.close();
    if (this.#captures.size === 0) {
      this.#core.tap = undefined;
      clearInterval(this.#flushTimer);
      this.#flushTimer = undefined;
    }
    return { records: capture.pcap.records };
  }

  /** A capture of one port holds what passes on that node's cable; one of a whole fabric holds each frame once, as it was sent. */
  #tap(index: number, direction: 'from' | 'to', record: Buffer): void {
    const wallUs = (performance.timeOrigin + performance.now()) * 1_000;
    for (const capture of this.#captures.values()) {
      const wanted = capture.port === undefined ? direction === 'from' && this.#fabricOfPort[index] === capture.fabric : capture.port === index;
      if (wanted) capture.pcap.write(record, wallUs);
    }
  }
}

function nowMs(): number {
  return performance.now();
}

function listenOn(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
