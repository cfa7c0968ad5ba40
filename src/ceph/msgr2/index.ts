export { addressText, AddressType, canonicalHost, type EntityAddress } from './address.js';
export { MonConnection, type ConnectionEvents, type ConnectionOptions, type MonEndpoint } from './connection.js';
export { CephError, isPermanent, type CephErrorCode } from './errors.js';
export { CephFeature, supportedFeatures } from './features.js';
export { ClientHandshake, type HandshakeOptions, type HandshakeResult, type Reclaim } from './handshake.js';
export { KeyType, parseKey, type CephKey } from './keyring.js';
export { Limit, Timer } from './limits.js';
export { MessageType, type Message } from './message.js';
export { decodeMonMap, fsidText, msgr2Endpoints, parseFsid, type MonInfo, type MonMap } from './mon-map.js';
export type { MonCommandReply, OsdMapNews, Subscription } from './mon-messages.js';
export {
  decodeBeacon, encodeBeacon, type GwAvailability, type GwBeacon, type GwListener, type GwNamespace, type GwSubsystem, type SubsystemChange,
} from './nvmeof-beacon.js';
export {
  decodeGwMap, encodeGwMap, entryOf, mapFeatureBeaconDiff, type GwAna, type GwAnaState, type GwClientState, type GwGroup, type GwMap,
} from './nvmeof-map.js';
export { CephMonSession, type CephMonSessionOptions, type ModeChoice, type SessionTimers } from './session.js';
