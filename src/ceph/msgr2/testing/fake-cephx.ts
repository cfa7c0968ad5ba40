import { randomBytes } from 'node:crypto';
import { authenticate, getAuthSessionKey } from '../cephx.js';
import { challengeKey, seal, Usage } from '../cephx-crypto.js';
import { EntityType } from '../control.js';
import { encoded } from '../encoding.js';
import { encodeKey } from '../keyring.js';
import type { CephKey } from '../keyring.js';

/** What the monitor side of cephx remembers over connections: tickets that a client may show again. */
export class FakeTickets {
  readonly #issued = new Map<bigint, { sessionKey: CephKey; globalId: bigint }>();
  #nextSecretId = 1n;
  #nextGlobalId = 4100n;
  /** As when the rotating secrets have moved on: nothing that was issued counts. */
  forget(): void {
    this.#issued.clear();
  }

  /**
   * Checks the proof and makes the payload of AUTH_DONE. Undefined: refused with EACCES, be it for the proof or for
   * a global_id without its ticket.
   */
  answer(o: { key: CephKey; challenge: bigint; request: Buffer; globalId: bigint; connectionSecret: Buffer }): { globalId: bigint; sessionKey: CephKey; payload: Buffer } | undefined {
    const request = authenticate.decode(o.request);
    if (request.key !== challengeKey(o.key, o.challenge, request.clientChallenge) || request.wantedKeys === 0) return undefined;
    const previous = this.#issued.get(request.oldTicket.secretId);
    if (o.globalId !== 0n && previous?.globalId !== o.globalId) return undefined;
    const globalId = previous?.globalId ?? this.#nextGlobalId++;
    const created = { seconds: 1_700_000_000, nanoseconds: 0 };
    const sessionKey: CephKey = { type: o.key.type, created, secret: randomBytes(o.key.secret.length) };
    const secretId = this.#nextSecretId++;
    this.#issued.set(secretId, { sessionKey, globalId });

    const ticketInfo = encoded((e) => encodeKey(e.u8(1), sessionKey));
    const sealedInfo = seal(o.key, Usage.ticketSessionKey, Buffer.concat([ticketInfo, encoded((e) => e.u32(259_200).u32(0))]));
    const plainBlob = encoded((e) => e.u8(1).u64(secretId).blob(randomBytes(155)));
    const blob = previous === undefined ? plainBlob
      : seal(previous.sessionKey, Usage.ticketBlob, encoded((e) => e.blob(plainBlob)));
    const secret = seal(sessionKey, Usage.connectionSecret, encoded((e) => e.blob(o.connectionSecret)));
    return {
      globalId, sessionKey,
      payload: encoded((e) => e
        .u16(getAuthSessionKey).s32(0)
        .u8(1).u32(1).u32(EntityType.auth).u8(1).blob(sealedInfo).bool(previous !== undefined).blob(blob)
        .blob(encoded((inner) => inner.blob(secret)))
        .blob(Buffer.alloc(0))),
    };
  }
}
