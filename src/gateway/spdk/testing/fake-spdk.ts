import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface FakeListener { traddr: string; trsvcid: string; ana: string[] }
interface FakeSubsystem { namespaces: { nsid: number; bdev_name: string; uuid: string; nguid: string; anagrpid: number }[]; listeners: FakeListener[]; created: Record<string, unknown>; hosts: string[] }
type Params = Record<string, unknown>;

/** The parameters that SPDK 26.01 knows of the methods that are used here (schema/schema.json). It refuses others. */
const known: Record<string, readonly string[]> = {
  framework_wait_init: [], spdk_get_version: [], nvmf_get_subsystems: [],
  nvmf_create_transport: ['trtype', 'max_io_qpairs_per_ctrlr'],
  nvmf_create_subsystem: ['nqn', 'serial_number', 'model_number', 'max_namespaces', 'allow_any_host', 'ana_reporting', 'min_cntlid', 'max_cntlid'],
  nvmf_delete_subsystem: ['nqn'], nvmf_subsystem_add_host: ['nqn', 'host'], nvmf_subsystem_add_ns: ['nqn', 'namespace'], nvmf_subsystem_remove_ns: ['nqn', 'nsid'],
  nvmf_subsystem_add_listener: ['nqn', 'listen_address', 'ana_state'], nvmf_subsystem_remove_listener: ['nqn', 'listen_address'], nvmf_subsystem_get_listeners: ['nqn'],
  nvmf_subsystem_listener_set_ana_state: ['nqn', 'listen_address', 'ana_state', 'anagrpid'],
  bdev_rbd_register_cluster: ['name', 'user_id', 'config_file'], bdev_rbd_create: ['name', 'pool_name', 'rbd_name', 'block_size', 'cluster_name', 'passphrase'], bdev_rbd_wait_for_latest_osdmap: ['name'],
  bdev_set_qd_sampling_period: ['name', 'period'], bdev_get_iostat: [], rpc_get_methods: [],
};

class Refused extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A stand-in for SPDK's JSON-RPC server with the part of its target that the control uses. */
export class FakeSpdk {
  readonly dir = mkdtempSync(join(tmpdir(), 'ppspdk-'));
  readonly path = join(this.dir, 'spdk.sock');
  /** Every request, in order. */
  readonly calls: { method: string; params: Params }[] = [];
  readonly subsystems = new Map<string, FakeSubsystem>();
  /** I/O under way, by bdev. */
  readonly depth = new Map<string, number>();
  readonly periods = new Map<string, number>();
  /** Methods that are not there. */
  readonly missing = new Set<string>();
  /** Methods that are never answered. */
  readonly silent = new Set<string>();
  /** Before it had `ana_state` of nvmf_subsystem_add_listener. */
  old = false;
  /** That of ceph-nvmeof before 26.01: no `passphrase` of bdev_rbd_create. */
  withoutPassphrase = false;
  /** What bdev_rbd_register_cluster answers. */
  registered: unknown = '192.0.2.101:0/77';
  onCall: (method: string, params: Params) => void = () => undefined;
  /** Bytes in which it answers. */
  pieceBytes = 1_000_000;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      let text = '';
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        let request: { id: number; method: string; params?: Params };
        try {
          request = JSON.parse(text) as typeof request;
        } catch {
          return;
        }
        text = '';
        void this.#answer(socket, request);
      });
    });
  }

  static async start(): Promise<FakeSpdk> {
    const fake = new FakeSpdk();
    await new Promise<void>((resolve) => fake.#server.listen(fake.path, resolve));
    return fake;
  }

  async end(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Ends all connections. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The states of an ANA group at a subsystem's listeners. */
  ana(nqn: string, group: number): string[] {
    return this.subsystems.get(nqn)!.listeners.map(({ ana }) => ana[group - 1]!);
  }

  of(method: string): Params[] {
    return this.calls.filter((call) => call.method === method).map(({ params }) => params);
  }

  async #answer(socket: Socket, { id, method, params = {} }: { id: number; method: string; params?: Params }): Promise<void> {
    this.calls.push({ method, params });
    this.onCall(method, params);
    if (this.silent.has(method)) return;
    let answer: Record<string, unknown>;
    try {
      if (known[method] === undefined || this.missing.has(method)) throw new Refused(-32_601, 'Method not found');
      if (Object.keys(params).some((name) => !known[method]!.includes(name))) throw new Refused(-32_602, 'Invalid parameters');
      if (method === 'bdev_rbd_create' && params['passphrase'] !== undefined && (this.withoutPassphrase || this.missing.has('bdev_rbd_wait_for_latest_osdmap'))) throw new Refused(-32_603, 'spdk_json_decode_object failed');
      // As 26.01 of ceph-nvmeof does: it crashes.
      if (method === 'bdev_rbd_create' && params['passphrase'] === undefined && !this.withoutPassphrase && !this.missing.has('bdev_rbd_wait_for_latest_osdmap')) return this.drop();
      answer = { jsonrpc: '2.0', id, result: this.#carryOut(method, params) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      answer = { jsonrpc: '2.0', id, error: { code: error.code, message: error.message } };
    }
    // As SPDK writes it: indented.
    const text = JSON.stringify(answer, null, 2);
    for (let at = 0; at < text.length; at += this.pieceBytes) {
      socket.write(text.slice(at, at + this.pieceBytes));
      await new Promise(setImmediate);
    }
  }

  #carryOut(method: string, params: Params): unknown {
    const address = params['listen_address'] as { traddr: string; trsvcid: string } | undefined;
    const at = ({ traddr, trsvcid }: FakeListener): boolean => traddr === address?.traddr && trsvcid === address.trsvcid;
    switch (method) {
      case 'spdk_get_version': return { version: 'SPDK v26.01 fake' };
      case 'bdev_rbd_register_cluster': return this.registered;
      case 'bdev_rbd_create': return params['name'];
      case 'bdev_set_qd_sampling_period':
        this.periods.set(params['name'] as string, params['period'] as number);
        return true;
      case 'bdev_get_iostat': return { bdevs: [...this.periods].map(([name, period]) => ({ name, ...(period === 0 ? {} : { queue_depth: this.depth.get(name) ?? 0 }) })) };
      case 'rpc_get_methods': return Object.keys(known).filter((name) => !this.missing.has(name));
      case 'nvmf_get_subsystems': return [
        { nqn: 'nqn.2014-08.org.nvmexpress.discovery', subtype: 'Discovery', listen_addresses: [] },
        ...[...this.subsystems].map(([nqn, { namespaces, listeners }]) => ({ nqn, subtype: 'NVMe', namespaces, listen_addresses: listeners.map(({ traddr, trsvcid }) => ({ trtype: 'TCP', adrfam: 'IPv4', traddr, trsvcid })) })),
      ];
      case 'nvmf_create_subsystem':
        if (this.subsystems.has(params['nqn'] as string)) throw new Refused(-32_603, 'Unable to create subsystem');
        this.subsystems.set(params['nqn'] as string, { namespaces: [], listeners: [], created: params, hosts: [] });
        return true;
      case 'nvmf_delete_subsystem':
        this.#subsystem(params);
        this.subsystems.delete(params['nqn'] as string);
        return true;
      case 'nvmf_subsystem_add_host':
        this.#subsystem(params).hosts.push(params['host'] as string);
        return true;
      case 'nvmf_subsystem_add_ns':
        this.#subsystem(params).namespaces.push(params['namespace'] as FakeSubsystem['namespaces'][number]);
        return (params['namespace'] as { nsid: number }).nsid;
      case 'nvmf_subsystem_remove_ns': {
        const subsystem = this.#subsystem(params);
        subsystem.namespaces = subsystem.namespaces.filter(({ nsid }) => nsid !== params['nsid']);
        return true;
      }
      case 'nvmf_subsystem_add_listener': {
        const subsystem = this.#subsystem(params);
        if (subsystem.listeners.some(at)) throw new Refused(-32_602, 'Invalid parameters');
        const ana = Array<string>(subsystem.created['max_namespaces'] as number).fill(this.old ? 'optimized' : ((params['ana_state'] as string | undefined) ?? 'optimized'));
        subsystem.listeners.push({ ...address!, ana });
        return true;
      }
      case 'nvmf_subsystem_remove_listener': {
        const subsystem = this.#subsystem(params);
        if (!subsystem.listeners.some(at)) throw new Refused(-32_602, 'Invalid parameters');
        subsystem.listeners = subsystem.listeners.filter((each) => !at(each));
        return true;
      }
      case 'nvmf_subsystem_get_listeners':
        return this.#subsystem(params).listeners.map(({ traddr, trsvcid, ana }) => ({ address: { trtype: 'TCP', adrfam: 'IPv4', traddr, trsvcid }, ana_states: ana.map((state, index) => ({ ana_group: index + 1, ana_state: state })) }));
      case 'nvmf_subsystem_listener_set_ana_state': {
        const listener = this.#subsystem(params).listeners.find(at);
        const group = params['anagrpid'] as number;
        if (listener === undefined || group > listener.ana.length || !['optimized', 'non_optimized', 'inaccessible'].includes(params['ana_state'] as string)) throw new Refused(-32_602, 'Invalid parameters');
        listener.ana[group - 1] = params['ana_state'] as string;
        return true;
      }
      default: return true;
    }
  }

  #subsystem(params: Params): FakeSubsystem {
    const found = this.subsystems.get(params['nqn'] as string);
    if (found === undefined) throw new Refused(-32_602, 'Invalid parameters');
    return found;
  }
}
