import { expect, it } from 'vitest';
import { WriteHold } from './write-hold.js';

it('holds writes from begin to end, and lets them go in their order', async () => {
  const hold = new WriteHold();
  const passed: number[] = [];
  const write = (n: number): Promise<void> => hold.pass().then(() => void passed.push(n));
  await write(0);
  hold.begin();
  const held = [write(1), write(2)];
  await Promise.resolve();
  expect(passed).toEqual([0]);
  expect(hold.count).toBe(2);
  expect(hold.end()).toBe(2);
  await Promise.all(held);
  expect(passed).toEqual([0, 1, 2]);
  expect(hold.count).toBe(0);
  await write(3);
  expect(hold.end()).toBe(0);
  expect(passed).toEqual([0, 1, 2, 3]);
});
