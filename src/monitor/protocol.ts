import { z } from 'zod';
import type { Beacon, CommandReply, GatewayMap } from './client.js';
import { isEntityAddress } from './model/fence.js';

/**
 * The embedded monitor's protocol: JSON messages over TCP, each after an 8-byte header.
 *
 * ```
 *   0        4            8
 *   | "ppm1" | length BE  | length bytes of UTF-8 JSON
 * ```
 *
 * The client speaks first (hello), the server answers with a welcome; from then on both send what they
 * have. A peer that breaks a rule gets an `error` message and its connection is closed. The magic in
 * every frame makes a stream that lost its framing an error at once instead of a wait for bytes.
 */
export const protocolVersion = 1;
export const frameMagic = 0x70706d31; // "ppm1"
const headerBytes = 8;

/** Limits of the embedded monitor. Exceeding one ends the connection, never the monitor. */
export const MonitorLimit = {
  frameBytesMax: 1024 * 1024,
  connectionsMax: 64,
  /** Bytes queued towards a peer that does not read. */
  outputBytesMax: 4 * 1024 * 1024,
  /** Time for the hello (server) and the welcome (client); as ms_connection_ready_timeout bounds Ceph's handshake. */
  handshakeMsMax: 5_000,
  /** Commands of one client that have not been answered yet. */
  openCommandsMax: 256,
  idBytesMax: 256,
  subsystemsMax: 1024,
  listenersMax: 64,
  namespacesMax: 4096,
} as const;

export type MonitorErrorCode =
  | 'MON_BAD_FRAME' | 'MON_FRAME_TOO_LARGE' | 'MON_BAD_MESSAGE' | 'MON_BAD_HELLO' | 'MON_HANDSHAKE_TIMEOUT' | 'MON_TOO_MANY_CONNECTIONS'
  | 'MON_SUPERSEDED' | 'MON_NOT_CONNECTED' | 'MON_DISCONNECTED' | 'MON_TOO_MANY_COMMANDS' | 'MON_CLOSED' | 'MON_LISTEN' | 'MON_SHOW_FORMAT';

/** Any failure of the embedded monitor or its client, with a stable `code`. */
export class MonitorError extends Error {
  readonly code: MonitorErrorCode;
  constructor(code: MonitorErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MonitorError';
    this.code = code;
  }
}

const name = z.string().max(MonitorLimit.idBytesMax);
const entity = name.refine(isEntityAddress, 'an entity address ip:port/nonce');

const beaconSchema = z.strictObject({
  gwId: name.min(1),
  pool: name,
  group: name,
  subsystems: z.array(z.strictObject({
    nqn: name,
    listeners: z.array(z.strictObject({ adrfam: z.enum(['IPv4', 'IPv6']), traddr: name, trsvcid: name })).max(MonitorLimit.listenersMax),
    // A nonce that is no address is the model's business: it spoils the blocklist, as in Ceph.
    namespaces: z.array(z.strictObject({ anaGroup: z.int().min(1), nonce: name })).max(MonitorLimit.namespacesMax),
  })).max(MonitorLimit.subsystemsMax),
  availability: z.enum(['CREATED', 'AVAILABLE', 'UNAVAILABLE']),
  lastOsdEpoch: z.int().min(0),
  lastGwmapEpoch: z.int().min(0),
}) satisfies z.ZodType<Beacon>;

export const commandSchema = z.record(name, z.union([z.string().max(4096), z.number()]));

export const clientMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), version: z.int(), entity }),
  z.strictObject({ type: z.literal('beacon'), beacon: beaconSchema }),
  z.strictObject({ type: z.literal('command'), id: z.int().min(0), command: commandSchema }),
]);
export type ClientMessage = z.infer<typeof clientMessageSchema>;

const availability = z.enum(['CREATED', 'AVAILABLE', 'UNAVAILABLE', 'DELETING']);
const mapSchema = z.strictObject({
  epoch: z.int().min(0),
  // JSON has no undefined: a map without entry comes without the key.
  entry: z.strictObject({
    gwId: z.string(),
    groupIndex: z.int().min(0),
    availability,
    subsystems: z.array(z.strictObject({
      nqn: z.string(),
      ana: z.array(z.strictObject({ state: z.enum(['OPTIMIZED', 'INACCESSIBLE']), osdEpoch: z.int().min(0) })),
    })),
  }).optional(),
}).transform(({ epoch, entry }): GatewayMap => ({ epoch, entry }));

export const serverMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('welcome'), version: z.int() }),
  z.strictObject({ type: z.literal('map'), map: mapSchema }),
  z.strictObject({ type: z.literal('reply'), id: z.int().min(0), reply: z.strictObject({ code: z.int(), status: z.string(), output: z.string() }) }),
  z.strictObject({ type: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type ServerMessage =
  | { type: 'welcome'; version: number }
  | { type: 'map'; map: GatewayMap }
  | { type: 'reply'; id: number; reply: CommandReply }
  | { type: 'error'; code: string; message: string };

export function encodeMessage(message: ClientMessage | ServerMessage): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32BE(frameMagic, 0);
  header.writeUInt32BE(json.length, 4);
  return Buffer.concat([header, json]);
}

/**
 * Splits a byte stream into messages and checks each against `schema`. Throws MON_BAD_FRAME,
 * MON_FRAME_TOO_LARGE or MON_BAD_MESSAGE; the stream cannot be used after that.
 */
export class MessageReader<T> {
  private readonly schema: z.ZodType<T>;
  private chunks: Buffer[] = [];
  private bytes = 0;

  constructor(schema: z.ZodType<T>) {
    this.schema = schema;
  }

  push(chunk: Buffer): T[] {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    const messages: T[] = [];
    while (this.bytes >= headerBytes) {
      const header = this.peek();
      if (header.readUInt32BE(0) !== frameMagic) throw new MonitorError('MON_BAD_FRAME', 'the stream has lost its framing');
      const length = header.readUInt32BE(4);
      if (length > MonitorLimit.frameBytesMax) {
        throw new MonitorError('MON_FRAME_TOO_LARGE', `a message of ${length} bytes, more than ${MonitorLimit.frameBytesMax}`);
      }
      if (this.bytes < headerBytes + length) break;
      messages.push(this.decode(this.take(headerBytes + length).subarray(headerBytes)));
    }
    return messages;
  }

  /** The first chunk, long enough for a header; chunks are joined only as far as needed. */
  private peek(): Buffer {
    if (this.chunks[0]!.length < headerBytes) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0]!;
  }

  private take(length: number): Buffer {
    const all = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    this.bytes = all.length - length;
    this.chunks = this.bytes > 0 ? [all.subarray(length)] : [];
    return all.subarray(0, length);
  }

  private decode(json: Buffer): T {
    let value: unknown;
    try {
      value = JSON.parse(json.toString('utf8'));
    } catch (error) {
      throw new MonitorError('MON_BAD_MESSAGE', 'a message is not JSON', error);
    }
    const parsed = this.schema.safeParse(value);
    if (!parsed.success) throw new MonitorError('MON_BAD_MESSAGE', z.prettifyError(parsed.error).slice(0, 500));
    return parsed.data;
  }
}
