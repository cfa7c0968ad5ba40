import { EntityType } from './control.js';
import { challengeKey, open, Usage } from './cephx-crypto.js';
import { Decoder, encoded } from './encoding.js';
import type { Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { decodeKey } from './keyring.js';
import type { CephKey } from './keyring.js';
import { Limit } from './limits.js';

/**
 * The cephx exchange with a monitor, client side, as payloads of the auth frames
 * (ceph/src/auth/cephx/CephxProtocol.h; facts: msgr2.md §5.3).
 *
 *     AUTH_REQUEST       who I am                     ▶
 *                                                     ◀ AUTH_REPLY_MORE   server challenge
 *     AUTH_REQUEST_MORE  my challenge, the proof      ▶
 *                                                     ◀ AUTH_DONE         tickets, connection secret
 */

/** CEPHX_GET_AUTH_SESSION_KEY. */
export const getAuthSessionKey = 0x0100;
/** Service tickets to ask for. Never 0: the monitor then leaves out the connection secret as well. */
const wantedKeys = EntityType.mon | EntityType.osd | EntityType.auth;
/** AUTH_MODE_MON (ceph/src/auth/Auth.h). */
const authModeMon = 10;

export interface EntityName { type: number; id: string }

/** `client.nvmeof.gw1` → type client, id `nvmeof.gw1`. Throws MSGR_FIELD for anything that is not `client.ID`. */
export function parseEntityName(text: string): EntityName {
  const id = /^client\.(.+)$/s.exec(text)?.[1];
  if (id === undefined || Buffer.byteLength(id) > Limit.nameBytesMax) throw new CephError('MSGR_FIELD', `entity ${JSON.stringify(text)}: expected client.ID`);
  return { type: EntityType.client, id };
}

export function encodeEntityName(e: Encoder, name: EntityName): void {
  e.u32(name.type).string(name.id);
}

/** Payload of AUTH_REQUEST for both methods, none and cephx. `globalId` 0 asks for a new one. */
export const authRequestPayload = {
  encode: (name: EntityName, globalId: bigint): Buffer => encoded((e) => {
    encodeEntityName(e.u8(authModeMon), name);
    e.u64(globalId);
  }),
  decode: (payload: Buffer): { name: EntityName; globalId: bigint } => {
    const d = new Decoder(payload);
    const mode = d.u8();
    if (mode !== authModeMon) throw new CephError('MSGR_FIELD', `auth mode ${mode}`);
    return { name: { type: d.u32(), id: d.string(Limit.nameBytesMax) }, globalId: d.u64() };
  },
};

export const serverChallenge = {
  encode: (challenge: bigint): Buffer => encoded((e) => e.u8(1).u64(challenge)),
  decode: (payload: Buffer): bigint => {
    const d = new Decoder(payload);
    const version = d.u8();
    if (version !== 1) throw new CephError('MSGR_COMPAT', `cephx server challenge v${version}`);
    return d.u64();
  },
};

/** What the monitor wants to see again when a client asks for its old global_id: it cannot be read by us. */
export interface TicketBlob { secretId: bigint; blob: Buffer }

const noTicket: TicketBlob = { secretId: 0n, blob: Buffer.alloc(0) };

export interface Authenticate { clientChallenge: bigint; key: bigint; oldTicket: TicketBlob; wantedKeys: number }

export const authenticate = {
  encode: (a: Authenticate): Buffer => encoded((e) => {
    e.u16(getAuthSessionKey).u8(3).u64(a.clientChallenge).u64(a.key);
    e.u8(1).u64(a.oldTicket.secretId).blob(a.oldTicket.blob).u32(a.wantedKeys);
  }),
  decode: (payload: Buffer): Authenticate => {
    const d = new Decoder(payload);
    const request = d.u16();
    const version = d.u8();
    if (request !== getAuthSessionKey || version !== 3) throw new CephError('MSGR_FIELD', `cephx request ${request} v${version}`);
    const [clientChallenge, key] = [d.u64(), d.u64()];
    return { clientChallenge, key, oldTicket: decodeTicketBlob(d), wantedKeys: d.u32() };
  },
};

/** The answer to the monitor's challenge; `oldTicket` goes with an old global_id. */
export function proveKey(key: CephKey, server: bigint, client: bigint, oldTicket: TicketBlob = noTicket): Buffer {
  return authenticate.encode({ clientChallenge: client, key: challengeKey(key, server, client), oldTicket, wantedKeys });
}

export function decodeTicketBlob(d: Decoder): TicketBlob {
  const version = d.u8();
  if (version !== 1) throw new CephError('MSGR_COMPAT', `cephx ticket blob v${version}`);
  return { secretId: d.u64(), blob: Buffer.from(d.blob(Limit.handshakeFrameBytesMax)) };
}

export interface ServiceTicket {
  service: number;
  sessionKey: CephKey;
  /** utime. */
  validity: { seconds: number; nanoseconds: number };
  ticket: TicketBlob;
}

/** Tickets that one reply may hold: there are six entity types. */
const ticketsMax = 16;

/**
 * A list of service tickets, each sealed with `key`. A blob that replaces a ticket we showed is in addition
 * sealed with that ticket's session key, `previousKey`.
 */
export function decodeTickets(d: Decoder, key: CephKey, previousKey: CephKey | undefined): ServiceTicket[] {
  const version = d.u8();
  if (version !== 1) throw new CephError('MSGR_COMPAT', `cephx ticket list v${version}`);
  return d.list(ticketsMax, () => {
    const service = d.u32();
    d.u8();
    const inner = new Decoder(open(key, Usage.ticketSessionKey, d.blob()));
    inner.u8();
    const sessionKey = decodeKey(inner);
    const validity = { seconds: inner.u32(), nanoseconds: inner.u32() };
    const sealed = d.bool();
    let blob = d.blob();
    if (sealed) {
      if (previousKey === undefined) throw new CephError('AUTH_DECRYPT', 'a ticket under a session key that we do not have');
      blob = new Decoder(open(previousKey, Usage.ticketBlob, blob)).blob();
    }
    return { service, sessionKey, validity, ticket: decodeTicketBlob(new Decoder(blob)) };
  });
}

export interface CephxResult {
  /** Key of the signatures, and of the next tickets. */
  sessionKey: CephKey;
  /** Shown again to keep the global_id over a reconnection. */
  ticket: TicketBlob;
  /** 64 bytes in secure mode, none in crc mode. */
  connectionSecret: Buffer;
}

/** Payload of AUTH_DONE. Tickets for other services may follow; a client that only talks to monitors leaves them. */
export function decodeCephxDone(payload: Buffer, key: CephKey, previousKey: CephKey | undefined): CephxResult {
  const d = new Decoder(payload);
  const request = d.u16();
  const status = d.s32();
  if (request !== getAuthSessionKey) throw new CephError('MSGR_FIELD', `cephx reply ${request}`);
  if (status !== 0) throw new CephError('AUTH_DENIED', `the monitor answered the key with ${status}`);
  const auth = decodeTickets(d, key, previousKey).find(({ service }) => service === EntityType.auth);
  if (auth === undefined) throw new CephError('AUTH_DENIED', 'no ticket for the auth service');
  const sealedSecret = new Decoder(d.blob()).blob();
  const connectionSecret = new Decoder(open(auth.sessionKey, Usage.connectionSecret, sealedSecret)).blob();
  return { sessionKey: auth.sessionKey, ticket: auth.ticket, connectionSecret: Buffer.from(connectionSecret) };
}
