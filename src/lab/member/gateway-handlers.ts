import type { GatewayState } from '../../gateway/gateway-state.js';
import type { MemberHandlers } from './protocol.js';

/** What every gateway can be asked, whichever its target and store. */
export interface AskedGateway {
  state(): GatewayState | Promise<GatewayState>;
  removeListeners(): Promise<void>;
  addListeners(): Promise<void>;
  stop(): Promise<void>;
}

/** The requests that a gateway's process answers in each lab. */
export function gatewayHandlers(gateway: AskedGateway): MemberHandlers {
  return {
    state: () => gateway.state(),
    listenerDel: () => gateway.removeListeners(),
    listenerAdd: () => gateway.addListeners(),
    shutdown: () => gateway.stop(),
  };
}
