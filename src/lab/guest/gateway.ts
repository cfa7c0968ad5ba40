import { openKrbdStore } from '../../gateway/krbd/index.js';
import { NvmetGateway } from '../../gateway/nvmet-gateway.js';
import { tellEnding } from '../member/gateway-exit.js';
import { runGatewayMember } from './gateway-member.js';

/** A gateway on the kernel's target and krbd. */
runGatewayMember(async (config, { entity, monitor }, context) => {
  const { name, pool, group, nqn, serial, namespaces, monHosts, auth, listeners, timers, onFenced } = config;
  const log = (line: string): void => context.log(line);
  const store = await openKrbdStore({
    monHosts, pool, log, entity, auth: auth.kind === 'cephx' ? { kind: 'cephx', secret: auth.secret } : auth,
    images: namespaces.map(({ image }) => image),
    // Process ids do not repeat before 32,768 others have come, and the one before this is cleaned up long before.
    incarnation: process.pid % 65_536,
  });
  const gateway = new NvmetGateway({
    name, pool, group, nqn, serial, namespaces, listeners, timers, monitor, store, log,
    agent: { onFenced, onEnding: tellEnding(name, context) },
    onState: (state) => context.emit(state),
  });
  return { gateway, store };
});
