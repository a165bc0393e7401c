/** Protects a busy process from making new memory for each push, and an idle one from keeping too much. */
import { mib } from '@loki/model';
import { PushScratches } from './push-scratch.ts';
import type { PushScratch } from './push-scratch.ts';

function takeAll(scratches: PushScratches, count: number): PushScratch[] {
  return Array.from({ length: count }, () => scratches.take());
}

test('pushes that begin in one turn have the memory of those before', () => {
  const scratches = new PushScratches();
  const first = takeAll(scratches, 40);
  for (const scratch of first) scratches.giveBack(scratch);
  const next = takeAll(scratches, 40);
  expect(new Set([...first, ...next]).size).toBe(40);
  expect(scratches.takenCount).toBe(40);
});

test('after a burst a bounded part stays, the rest is freed at once', () => {
  const scratches = new PushScratches();
  const first = takeAll(scratches, 100);
  for (const scratch of first) scratches.giveBack(scratch);
  const seconds = first.map(({ rows }) => rows.seconds.length);
  expect(seconds.filter((length) => length > 0)).toHaveLength(64);
  expect(first.at(-1)!.rows.seconds.buffer.detached).toBe(true);
});

test('large ones count by their bytes', () => {
  const scratches = new PushScratches();
  const large = takeAll(scratches, 10);
  for (const { rows } of large) rows.extra = Buffer.allocUnsafeSlow(8 * mib);
  for (const scratch of large) scratches.giveBack(scratch);
  const reused = takeAll(scratches, 10).filter((scratch) => large.includes(scratch));
  expect(reused).toHaveLength(3);
});
