import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeLock, type RangeTicket } from './range-lock.js';

describe('RangeLock', () => {
  it('lets reads of the same block share and a write wait for both', () => {
    const lock = new RangeLock();
    const log: string[] = [];
    const tickets: RangeTicket[] = [];
    const run = (name: string) => (ticket: RangeTicket) => {
      log.push(name);
      tickets.push(ticket);
    };
    lock.acquire(0, 4, false, run('read1'));
    lock.acquire(2, 6, false, run('read2'));
    lock.acquire(3, 4, true, run('write'));
    lock.acquire(3, 4, false, run('read3'));
    lock.acquire(4, 5, true, run('blocked by read2 only'));
    lock.acquire(6, 8, true, run('free'));
    expect(log).toEqual(['read1', 'read2', 'free']);
    lock.release(tickets[1]!);
    expect(log.slice(3)).toEqual(['blocked by read2 only']);
    lock.release(tickets[0]!);
    expect(log.slice(4)).toEqual(['write']);
    lock.release(tickets[4]!);
    expect(log.slice(5)).toEqual(['read3']);
  });

  it('never runs conflicting operations together, keeps their order, and ends empty', () => {
    const operation = fc.record({ start: fc.integer({ min: 0, max: 12 }), length: fc.integer({ min: 1, max: 6 }), write: fc.boolean() });
    fc.assert(fc.property(fc.array(operation, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (operations, picks) => {
      const lock = new RangeLock();
      const running = new Map<number, RangeTicket>();
      const begun: number[] = [];
      const conflict = (a: number, b: number): boolean => {
        const [x, y] = [operations[a]!, operations[b]!];
        return x.start < y.start + y.length && y.start < x.start + x.length && (x.write || y.write);
      };
      const endOne = (): void => {
        const keys = [...running.keys()];
        const key = keys[picks.next().value! % keys.length]!;
        const ticket = running.get(key)!;
        running.delete(key);
        lock.release(ticket);
      };
      operations.forEach(({ start, length, write }, index) => {
        lock.acquire(start, start + length, write, (ticket) => {
          for (const other of running.keys()) expect(conflict(index, other)).toBe(false);
          for (const other of begun) if (conflict(index, other)) expect(other).toBeLessThan(index);
          running.set(index, ticket);
          begun.push(index);
        });
        if (running.size > 3) endOne();
      });
      while (running.size > 0) endOne();
      expect(begun.length).toBe(operations.length);
      expect(lock.size).toBe(0);
    }));
  });
});
