import { mkdirSync, rmSync } from 'node:fs';
import { JsonRpcClient, openSpdkStore, SpdkTarget } from '../../gateway/spdk/index.js';
import { SpdkGateway } from '../../gateway/spdk-gateway.js';
import { tellEnding } from '../member/gateway-exit.js';
import { runGatewayMember } from './gateway-member.js';
import { spdkFolder } from './supervisor.js';

/** I/O queues of one controller that SPDK allows unless told otherwise (NVMF_TCP_DEFAULT_MAX_IO_QUEUES). */
const ioQueuesMax = 127;
/** As the kernel's target has it with the same images, bytes. */
const blockSize = 512;

/** A gateway on SPDK's target, which is started here and opens the images by itself. */
runGatewayMember(async (config, { entity, monitor }, context) => {
  const { name, pool, group, nqn, serial, namespaces, monHosts, auth, listeners, timers, onFenced, spdk } = config;
  if (spdk === undefined) throw new Error('the config names no SPDK');
  const log = (line: string): void => context.log(line);
  const dir = spdkFolder(name);
  // The socket of the last incarnation would be taken for that of this one.
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const target = await SpdkTarget.start({ program: spdk.target, args: spdk.arguments, dir, log });
  log(`${target.version}, pid ${String(target.pid)}`);
  try {
    const [orders, looks] = [new JsonRpcClient(target.socket), new JsonRpcClient(target.socket)];
    await orders.call('nvmf_create_transport', { trtype: 'TCP', max_io_qpairs_per_ctrlr: ioQueuesMax });
    const store = await openSpdkStore({
      rpc: orders, dir, log, images: namespaces.map(({ image }) => ({ name: image, blockSize })),
      cluster: { monHosts, pool, entity, secret: auth.kind === 'cephx' ? auth.secret : undefined },
    });
    const gateway = new SpdkGateway({
      name, pool, group, nqn, serial, namespaces, listeners, timers, monitor, store, target, orders, looks, log,
      agent: { onFenced, onEnding: tellEnding(name, context) },
      onState: (state) => context.emit(state),
    });
    return { gateway, store };
  } catch (error) {
    await target.kill();
    throw error;
  }
});
