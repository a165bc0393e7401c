import fc from 'fast-check';
import { SharedBytes } from './shared-bytes.ts';

// Protects tenants from one that takes all the room for received bytes that are not stored yet.

test('one holder has three quarters at most, and another still finds room', () => {
  const budget = new SharedBytes(1000);
  expect(SharedBytes.shareOf(1000)).toBe(750);
  expect(budget.take('a', 751)).toBe(false);
  expect(budget.bytes).toBe(0);
  expect(budget.take('a', 750)).toBe(true);
  expect(budget.take('a', 1)).toBe(false);
  expect(budget.take('b', 187)).toBe(true);
  expect(budget.take('b', 2)).toBe(false);
  expect(budget.take('c', 40)).toBe(true);
  budget.give('a', 750);
  expect(budget.take('b', 300)).toBe(true);
});

test('without a bound all is taken, and what is forced counts', () => {
  const budget = new SharedBytes(Infinity);
  expect(budget.take('a', 1e15)).toBe(true);
  const small = new SharedBytes(10);
  small.force('a', 100);
  expect(small.take('b', 1)).toBe(false);
  small.give('a', 100);
  expect(small.bytes).toBe(0);
});

test('whatever holders do, the bound holds, and what is given back is free again', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat({ max: 400 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (takes) => {
      const budget = new SharedBytes(1000);
      const taken = takes.filter(([holder, bytes]) => budget.take(holder, bytes));
      expect(budget.bytes).toBe(taken.reduce((sum, [, bytes]) => sum + bytes, 0));
      expect(budget.bytes).toBeLessThanOrEqual(1000);
      // A holder that has nothing yet finds three quarters of the free bytes.
      const share = SharedBytes.shareOf(1000 - budget.bytes);
      expect(budget.take('new', share)).toBe(true);
      for (const [holder, bytes] of [...taken, ['new', share] as const]) budget.give(holder, bytes);
      expect(budget.bytes).toBe(0);
    }),
  );
});
