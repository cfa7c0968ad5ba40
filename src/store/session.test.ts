import { describe, expect, it } from 'vitest';
import { StoreLimit } from './limits.js';
import { Session, type AnswerSink } from './session.js';

class Sink implements AnswerSink {
  readonly numbers: number[] = [];
  answer(_op: number, _status: number, _id: number, answerNumber: number): void {
    this.numbers.push(answerNumber);
  }
  noticeFenced(): void {}
  replaced(): void {}
}

const session = (): Session => new Session('127.0.0.1:0/1', 'gw1', 'x');

describe('Session', () => {
  it('remembers the answer to a mutation until the client confirms it', () => {
    const one = session();
    one.sink = new Sink();
    one.answer(17, 0, 5, true);
    one.answer(17, 2, 6, true);
    expect([one.answered(5), one.answered(6), one.answered(7)]).toEqual([0, 2, undefined]);
    one.confirm(1);
    expect([one.answered(5), one.answered(6)]).toEqual([undefined, 2]);
    one.confirm(2);
    expect(one.unconfirmed).toBe(0);
  });

  it('does not remember reads', () => {
    const one = session();
    one.answer(16, 0, 5, false);
    expect(one.answered(5)).toBeUndefined();
  });

  it('keeps an answer given again, although its first number is confirmed', () => {
    const one = session();
    one.answer(17, 0, 5, true); // number 1, lost with its connection
    one.answer(17, 0, 6, true); // 2
    one.answer(17, 0, 5, true); // 3: sent again, answered again
    one.confirm(2);
    expect([one.answered(5), one.answered(6)]).toEqual([0, undefined]);
    one.confirm(3);
    expect(one.answered(5)).toBeUndefined();
  });

  it('answers on the connection of the moment, and on none without one', () => {
    const one = session();
    const [old, current] = [new Sink(), new Sink()];
    one.sink = old;
    one.underWay.add(5);
    one.sink = current;
    one.answer(17, 0, 5, true);
    one.sink = null;
    one.answer(17, 0, 6, true);
    expect([old.numbers, current.numbers]).toEqual([[], [1]]);
    expect(one.answered(6)).toBe(0);
    expect(one.underWay.size).toBe(0);
  });

  it('stays small while answers are confirmed, and knows when they are not', () => {
    const one = session();
    for (let id = 1; id <= 3 * StoreLimit.unconfirmedAnswersMax; id++) {
      one.answer(17, 0, id, true);
      one.confirm(id - 10);
    }
    expect(one.unconfirmed).toBe(10);
    expect(one.overLimit).toBe(false);
    for (let id = 1; id <= StoreLimit.unconfirmedAnswersMax; id++) one.answer(17, 0, 10_000_000 + id, true);
    expect(one.overLimit).toBe(true);
  });
});
