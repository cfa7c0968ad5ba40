import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientMessageSchema, encodeMessage, frameMagic, MessageReader, MonitorError, MonitorLimit, serverMessageSchema, type ClientMessage } from './protocol.js';

const beacon: ClientMessage = {
  type: 'beacon',
  beacon: {
    gwId: 'gw1', pool: 'rbd', group: 'grp1', availability: 'AVAILABLE', lastOsdEpoch: 3, lastGwmapEpoch: 9,
    subsystems: [{ nqn: 'nqn.t:ß', listeners: [{ adrfam: 'IPv6', traddr: '::1', trsvcid: '4420' }], namespaces: [{ anaGroup: 2, nonce: '10.0.0.1:0/7' }] }],
  },
};

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof MonitorError ? error.code : `not a MonitorError: ${String(error)}`;
  }
  return undefined;
}

function frame(json: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(frameMagic, 0);
  header.writeUInt32BE(Buffer.byteLength(json), 4);
  return Buffer.concat([header, Buffer.from(json)]);
}

describe('MessageReader', () => {
  it('joins messages that are cut at any byte', () => {
    const hello: ClientMessage = { type: 'hello', version: 1, entity: '127.0.0.1:0/1' };
    const stream = Buffer.concat([hello, beacon].map(encodeMessage));
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new MessageReader(clientMessageSchema);
      expect([...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))]).toEqual([hello, beacon]);
    }
    const reader = new MessageReader(clientMessageSchema);
    expect([...stream].flatMap((byte) => reader.push(Buffer.from([byte])))).toEqual([hello, beacon]);
  });

  it('keeps a map without entry a map without entry', () => {
    const reader = new MessageReader(serverMessageSchema);
    const [message] = reader.push(encodeMessage({ type: 'map', map: { epoch: 4, entry: undefined } }));
    expect(message).toStrictEqual({ type: 'map', map: { epoch: 4, entry: undefined } });
  });

  it.each([
    ['MON_BAD_FRAME', Buffer.from('GET / HTTP/1.1\r\n')],
    ['MON_FRAME_TOO_LARGE', Buffer.from('70706d31ffffffff', 'hex')],
    ['MON_BAD_MESSAGE', frame('{')],
    ['MON_BAD_MESSAGE', frame('null')],
    ['MON_BAD_MESSAGE', frame('{"type":"beacon"}')],
    ['MON_BAD_MESSAGE', frame('{"type":"hello","version":1,"entity":"somebody"}')],
    ['MON_BAD_MESSAGE', frame('{"type":"hello","version":1,"entity":"127.0.0.1:0/1","more":1}')],
    ['MON_BAD_MESSAGE', frame(JSON.stringify({ ...beacon, beacon: { ...beacon.beacon, gwId: 'x'.repeat(MonitorLimit.idBytesMax + 1) } }))],
    ['MON_BAD_MESSAGE', frame(JSON.stringify({ ...beacon, beacon: { ...beacon.beacon, availability: 'DELETING' } }))],
  ])('throws %s for what breaks the rules (%#)', (code, bytes) => {
    expect(codeOf(() => new MessageReader(clientMessageSchema).push(bytes))).toBe(code);
  });

  it('says too large as soon as the length is known, before the bytes have come', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(frameMagic, 0);
    header.writeUInt32BE(MonitorLimit.frameBytesMax + 1, 4);
    expect(codeOf(() => new MessageReader(clientMessageSchema).push(header))).toBe('MON_FRAME_TOO_LARGE');
  });

  it('never does anything else than return messages or throw a MonitorError', () => {
    const garbage = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.json().map((json) => frame(json)));
    fc.assert(fc.property(fc.array(garbage, { maxLength: 4 }), (chunks) => {
      const reader = new MessageReader(clientMessageSchema);
      expect(codeOf(() => chunks.forEach((chunk) => reader.push(Buffer.from(chunk)))) ?? 'MON_').toMatch(/^MON_/);
    }));
  });
});
