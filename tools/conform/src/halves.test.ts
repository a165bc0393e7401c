/**
 * Protects the comparison with lines half in the store: cut in two, they are the same lines, taken in the
 * same way.
 */
import type { TenantPush } from './corpus.ts';
import { halvesOf } from './halves.ts';

function push(app: string, ...times: number[]): TenantPush {
  return { labels: { app }, entries: times.map((time) => [time, `at ${time}`]) };
}

function timesOf(pushes: readonly TenantPush[]): [string, (string | number)[]][] {
  return pushes.map(({ labels, entries }) => [labels['app'], entries.map(([time]) => time)]);
}

test.each<[string, TenantPush[], [string, number[]][], [string, number[]][]]>([
  ['a push is cut in the middle', [push('a', 1, 2, 3, 4)], [['a', [1, 2]]], [['a', [3, 4]]]],
  ['equal times stay together', [push('a', 1, 2, 2, 2, 3)], [['a', [1, 2, 2, 2]]], [['a', [3]]]],
  ['what is out of order stays together', [push('a', 5, 1, 4, 2, 9)], [['a', [5, 1, 4, 2]]], [['a', [9]]]],
  ['where time never goes on, all is earlier', [push('a', 9, 1)], [['a', [9, 1]]], []],
  [
    'a stream of several pushes is cut between two',
    [push('a', 7, 1), push('b', 1, 2), push('a', 2)],
    [
      ['a', [7, 1]],
      ['b', [1]],
    ],
    [
      ['b', [2]],
      ['a', [2]],
    ],
  ],
])('%s', (_, pushes, first, second) => {
  const { earlier, later } = halvesOf([{ tenant: 't', pushes }]);
  expect(earlier.flatMap(({ pushes: all }) => timesOf(all))).toEqual(first);
  expect(later.flatMap(({ pushes: all }) => timesOf(all))).toEqual(second);
});
