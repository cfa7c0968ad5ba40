import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { authBadMethod, authRequest, AuthMethod, clientIdent, ConMode, EntityType, hello, serverIdent } from './control.js';
import { authRequestPayload, parseEntityName } from './cephx.js';
import { CephError } from './errors.js';
import { Msgr2Feature, supportedFeatures } from './features.js';
import { crcEncoder } from './frame-crc.js';
import { encodeBanner, FrameReader } from './frame-reader.js';
import { Tag } from './frame.js';
import type { Frame } from './frame.js';
import { ClientHandshake } from './handshake.js';
import type { HandshakeOptions } from './handshake.js';
import { parseKey } from './keyring.js';
import { Size } from './limits.js';
import { captured } from './testing/captures.js';
import type { CapturedFrame } from './testing/captures.js';

const code = (name: string): RegExp => new RegExp(`^${name}:`);
const key = parseKey('AgAk2wBr/G9QDiAAvHXoV+1HKsB+C6YVWHTVVqhlrAu5PjxrT9TBlYujJW0=');

function decodeFrame(bytes: Buffer): Frame {
  const reader = new FrameReader();
  reader.push(bytes);
  return reader.next()!.frame;
}

/** The options that make us say what the prototype said in this capture. */
function optionsOf(frames: readonly CapturedFrame[]): HandshakeOptions {
  const named = (name: string): CapturedFrame | undefined => frames.find((frame) => frame.fromClient && frame.name === name);
  const request = authRequest.decode(decodeFrame(named('AUTH_REQUEST')!.bytes));
  const target = hello.decode(decodeFrame(named('HELLO')!.bytes)).peerAddress;
  const identBytes = named('CLIENT_IDENT')?.bytes;
  const ident = identBytes === undefined ? undefined : clientIdent.decode(decodeFrame(identBytes));
  const more = named('AUTH_REQUEST_MORE')?.bytes;
  return {
    entity: authRequestPayload.decode(request.payload).name,
    modes: request.modes,
    target: { host: target.host, port: target.port },
    nonce: ident?.addresses[0]?.nonce ?? 1,
    globalSeq: ident?.globalSeq ?? 1n,
    ...(request.method === AuthMethod.cephx ? { key } : {}),
    // The client challenge is behind preamble, length, request type and version.
    ...(more === undefined ? {} : { random: () => more.subarray(32 + 4 + 2 + 1, 32 + 4 + 2 + 1 + 8) }),
  };
}

function handshakeOf(frames: readonly CapturedFrame[]): { before: CapturedFrame[]; ident: CapturedFrame | undefined } {
  const end = frames.findIndex(({ name }) => name === 'SERVER_IDENT');
  return { before: frames.slice(0, end === -1 ? frames.length : end + 1), ident: frames[end] };
}

describe.each([['auth none', 'cap-none.txt'], ['cephx', 'cap-cephx.txt']] as const)('with a real monitor, %s', (_what, file) => {
  const { before: frames } = handshakeOf(captured(file));
  const sentByPrototype = Buffer.concat(frames.filter(({ fromClient }) => fromClient).map(({ bytes }) => bytes));
  const fromMonitor = Buffer.concat(frames.filter(({ fromClient }) => !fromClient).map(({ bytes }) => bytes));

  it('says the same, byte for byte, whatever the pieces are in which the answers come', () => {
    const o = optionsOf(frames);
    for (let cut = 0; cut <= fromMonitor.length; cut += 1) {
      const handshake = new ClientHandshake(o);
      const sent = [handshake.start(), ...handshake.push(fromMonitor.subarray(0, cut))];
      if (cut < fromMonitor.length) expect(handshake.result).toBeUndefined();
      sent.push(...handshake.push(fromMonitor.subarray(cut)));
      expect(Buffer.concat(sent).equals(sentByPrototype)).toBe(true);
      expect(handshake.result).toBeDefined();
    }
  });

  it('knows afterwards who it is', () => {
    const handshake = new ClientHandshake(optionsOf(frames));
    handshake.start();
    handshake.push(fromMonitor);
    const result = handshake.result!;
    const ident = clientIdent.decode(decodeFrame(frames.find(({ name }) => name === 'CLIENT_IDENT')!.bytes));
    expect(result).toMatchObject({ globalId: ident.gid, mode: ConMode.crc, features: supportedFeatures, address: ident.addresses[0] });
    expect(result.reclaim.globalId).toBe(ident.gid);
    expect(result.reclaim.cephx === undefined).toBe(file === 'cap-none.txt');
    expect(result.reader.pendingBytes).toBe(0);
  });

  it('with any bit of a frame changed on the way does not end well', () => {
    // Of the banner's feature bits the client can only know that they are such: with cephx, the monitor sees the
    // change by our signature.
    fc.assert(fc.property(fc.integer({ min: Size.banner, max: fromMonitor.length - 1 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
      const changed = Buffer.from(fromMonitor);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
      const handshake = new ClientHandshake(optionsOf(frames));
      handshake.start();
      try {
        handshake.push(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(CephError);
        return;
      }
      expect(handshake.result).toBeUndefined();
    }));
  });
});

describe('what a real monitor refuses', () => {
  const replay = (section: string, o: Partial<HandshakeOptions> = {}): ClientHandshake => {
    const frames = captured('cap-badauth.txt', section);
    const handshake = new ClientHandshake({ ...optionsOf(frames), ...o });
    handshake.start();
    handshake.push(Buffer.concat(frames.filter(({ fromClient }) => !fromClient).map(({ bytes }) => bytes)));
    return handshake;
  };

  it('auth none where cephx is required: AUTH_METHOD with what it allows', () => {
    expect(() => replay('none-auth')).toThrow(/^AUTH_METHOD: .*auth none.*-95.*methods \[2\], modes \[1\]/);
  });

  it.each(['wrong key', 'unknown entity'])('%s: AUTH_DENIED', (section) => {
    expect(() => replay(section)).toThrow(code('AUTH_DENIED'));
  });

  it('secure mode with auth none: AUTH_METHOD', () => {
    expect(() => replay('mode secure only w/ none')).toThrow(code('AUTH_METHOD'));
  });

  it('a target address that is not its own: it says nothing more after CLIENT_IDENT', () => {
    const handshake = replay('wrong target addr');
    expect([handshake.step, handshake.result]).toEqual(['ident', undefined]);
  });
});

describe('a monitor that behaves oddly', () => {
  const o: HandshakeOptions = { entity: parseEntityName('client.x'), modes: [ConMode.crc], target: { host: '127.0.0.1', port: 3300 }, nonce: 5, globalSeq: 1n };
  const none = captured('cap-none.txt').filter(({ fromClient }) => !fromClient);
  const bytesOf = (name: string): Buffer => none.find((frame) => frame.name === name)!.bytes;
  const upTo = (name: string): Buffer => Buffer.concat(none.slice(0, none.findIndex((frame) => frame.name === name) + 1).map(({ bytes }) => bytes));
  const push = (options: HandshakeOptions, ...chunks: Buffer[]): ClientHandshake => {
    const handshake = new ClientHandshake(options);
    handshake.start();
    for (const chunk of chunks) handshake.push(chunk);
    return handshake;
  };

  it.each([
    ['requires compression', { supported: 3n, required: Msgr2Feature.compression }],
    ['speaks only msgr2.0', { supported: 0n, required: 0n }],
  ])('%s: MSGR_FEATURES', (_what, banner) => {
    expect(() => push(o, encodeBanner(banner))).toThrow(code('MSGR_FEATURES'));
  });

  it('is an OSD: MSGR_IDENT', () => {
    const osd = crcEncoder.encode(hello.encode({ entityType: EntityType.osd, peerAddress: { type: 2, nonce: 0, host: '127.0.0.1', port: 1 } }));
    expect(() => push(o, bytesOf('banner'), osd)).toThrow(code('MSGR_IDENT'));
  });

  it('is another monitor than the one that was asked for: MSGR_IDENT', () => {
    expect(() => push({ ...o, target: { host: '127.0.0.2', port: 3300 } }, upTo('SERVER_IDENT'))).toThrow(/^MSGR_IDENT: asked for 127\.0\.0\.2:3300\/0, met 127\.0\.0\.1:3300/);
  });

  it('chooses a mode that was not offered: AUTH_METHOD', () => {
    expect(() => push({ ...o, key, modes: [ConMode.secure] }, upTo('AUTH_DONE'))).toThrow(code('AUTH_METHOD'));
  });

  it('requires a feature that we lack: MSGR_FEATURES, in both ways of saying it', () => {
    const missing = crcEncoder.encode({ tag: Tag.identMissingFeatures, segments: [Buffer.from('0000040242000104', 'hex')] });
    expect(() => push(o, upTo('AUTH_SIGNATURE'), missing)).toThrow(/^MSGR_FEATURES: .*0x401004202040000/);
    const ident = serverIdent.decode(decodeFrame(bytesOf('SERVER_IDENT')));
    const demanding = crcEncoder.encode(serverIdent.encode({ ...ident, required: 1n << 63n }));
    expect(() => push(o, upTo('AUTH_SIGNATURE'), demanding)).toThrow(code('MSGR_FEATURES'));
  });

  it('skips a step, or says something else: MSGR_UNEXPECTED', () => {
    expect(() => push(o, bytesOf('banner'), bytesOf('AUTH_DONE'))).toThrow(code('MSGR_UNEXPECTED'));
    expect(() => push(o, upTo('HELLO'), bytesOf('SERVER_IDENT'))).toThrow(code('MSGR_UNEXPECTED'));
    expect(() => push(o, upTo('AUTH_DONE'), bytesOf('SERVER_IDENT'))).toThrow(code('MSGR_UNEXPECTED'));
    expect(() => push(o, upTo('AUTH_SIGNATURE'), bytesOf('HELLO'))).toThrow(code('MSGR_UNEXPECTED'));
    const challenge = captured('cap-cephx.txt').find(({ name }) => name === 'AUTH_REPLY_MORE')!.bytes;
    expect(() => push(o, upTo('HELLO'), challenge)).toThrow(code('MSGR_UNEXPECTED'));
  });

  it('does not know the old global_id any more: asks for a new one on the same connection, once', () => {
    const denied = crcEncoder.encode(authBadMethod.encode({ method: 2, result: -13, allowedMethods: [2], allowedModes: [1] }));
    const handshake = new ClientHandshake({ ...o, key, reclaim: { globalId: 4711n } });
    handshake.start();
    const asked = handshake.push(upTo('HELLO')).slice(1).map((bytes) => authRequestPayload.decode(authRequest.decode(decodeFrame(bytes)).payload).globalId);
    expect(asked).toEqual([4711n]);
    const again = handshake.push(denied).map((bytes) => authRequestPayload.decode(authRequest.decode(decodeFrame(bytes)).payload).globalId);
    expect(again).toEqual([0n]);
    expect(() => handshake.push(denied)).toThrow(code('AUTH_DENIED'));
  });

  it('sends garbage: a CephError or patience', () => {
    fc.assert(fc.property(fc.constantFrom('banner', 'HELLO', 'AUTH_DONE', 'AUTH_SIGNATURE'), fc.uint8Array({ minLength: 1, maxLength: 200 }), (name, garbage) => {
      try {
        expect(push(o, upTo(name), Buffer.from(garbage)).result).toBeUndefined();
      } catch (error) {
        expect(error).toBeInstanceOf(CephError);
      }
    }), { numRuns: 400 });
  });
});
