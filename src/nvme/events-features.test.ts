import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AerNotice, AerResult, AerType, decodeAer, decodeAsyncEventConfig, decodeNumberOfQueues, effectiveKatoMs, encodeAer, encodeAsyncEventConfig,
  encodeNumberOfQueues, LogId,
} from './index.js';
import { codecError, u8Arb } from './testing/support.js';

describe('asynchronous events', () => {
  it.each([
    ['ANA change', AerResult.anaChange, 0x000c_0302, { isAnaChange: true, isNamespaceAttrChanged: false, isDiscoveryChange: false, logId: LogId.ana, info: AerNotice.anaChange }],
    ['namespace attributes', AerResult.namespaceAttributes, 0x0004_0002, { isAnaChange: false, isNamespaceAttrChanged: true, isDiscoveryChange: false, logId: LogId.changedNamespaces, info: 0 }],
    ['discovery change', AerResult.discoveryChange, 0x0070_f002, { isAnaChange: false, isNamespaceAttrChanged: false, isDiscoveryChange: true, logId: LogId.discovery, info: 0xf0 }],
  ])('%s', (_name, result, dw0, expected) => {
    expect(result).toBe(dw0);
    expect(decodeAer(dw0)).toEqual({ type: AerType.notice, ...expected });
    expect(encodeAer({ type: AerType.notice, info: expected.info, logId: expected.logId })).toBe(dw0);
  });

  it('the same info and log of another event type is something else', () => {
    const smart = decodeAer(encodeAer({ type: AerType.smart, info: AerNotice.anaChange, logId: LogId.ana }));
    expect(smart).toMatchObject({ isAnaChange: false, isNamespaceAttrChanged: false, isDiscoveryChange: false });
    expect(decodeAer(0x0002_0302).isAnaChange).toBe(false);
  });

  it('round trip', () => {
    fc.assert(fc.property(fc.nat(7), u8Arb, u8Arb, (type, info, logId) => {
      expect(decodeAer(encodeAer({ type, info, logId }))).toMatchObject({ type, info, logId });
    }));
    expect(codecError(() => encodeAer({ type: 8, info: 0, logId: 0 })).code).toBe('FIELD_RANGE');
  });
});

describe('features', () => {
  it('number of queues is 0-based in both halves', () => {
    expect(encodeNumberOfQueues({ submission: 4, completion: 7 })).toBe(0x0006_0003);
    expect(decodeNumberOfQueues(0xfffe_fffe)).toEqual({ submission: 65_535, completion: 65_535 });
    const countArb = fc.integer({ min: 1, max: 65_535 });
    fc.assert(fc.property(countArb, countArb, (submission, completion) => {
      expect(decodeNumberOfQueues(encodeNumberOfQueues({ submission, completion }))).toEqual({ submission, completion });
    }));
    expect(codecError(() => encodeNumberOfQueues({ submission: 0, completion: 1 })).code).toBe('FIELD_RANGE');
  });

  it('asynchronous event configuration', () => {
    expect(encodeAsyncEventConfig({ namespaceAttributes: true, ana: true, discovery: true })).toBe(0x8000_0900);
    expect(encodeAsyncEventConfig({})).toBe(0);
    const arb = fc.record({ namespaceAttributes: fc.boolean(), ana: fc.boolean(), discovery: fc.boolean(), smartCritical: u8Arb });
    fc.assert(fc.property(arb, (config) => {
      expect(decodeAsyncEventConfig(encodeAsyncEventConfig(config))).toEqual(config);
    }));
  });

  it('the keep alive timeout is rounded up to the granularity', () => {
    // SPDK: KAS 100 (10 s), so the 5 s of Linux become 10.
    expect(effectiveKatoMs(5000, 100)).toBe(10_000);
    expect(effectiveKatoMs(10_001, 100)).toBe(20_000);
    expect(effectiveKatoMs(250, 1)).toBe(300);
    expect(effectiveKatoMs(0, 10)).toBe(0);
    expect(effectiveKatoMs(5000, 0)).toBe(0);
  });
});
