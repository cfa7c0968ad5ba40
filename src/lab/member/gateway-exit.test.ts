import { describe, expect, it } from 'vitest';
import { classifySelfEnd, gatewayExitCodes } from './gateway-exit.js';

describe('the end of a gateway that nobody asked for', () => {
  it('is one of its rules, also when it finds no store; anything else is a crash', () => {
    expect(classifySelfEnd(gatewayExitCodes['failed-over'])).toEqual({ kind: 'by-rule', detail: 'ended itself: the monitor had failed it over' });
    expect(classifySelfEnd(gatewayExitCodes['store-lost'])).toEqual({ kind: 'by-rule', detail: 'ended itself: it found no store' });
    for (const code of [1, 70, null]) expect(classifySelfEnd(code)).toEqual({ kind: 'unexpected', detail: 'crashed' });
  });
});
