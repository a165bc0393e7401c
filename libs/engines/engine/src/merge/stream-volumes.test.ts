/** Answers of several places are one: each label set once, with all that it holds anywhere. */
import type { StreamVolume } from '@loki/ports';
import { atOnce } from '../common/sliced-work.ts';
import { mergeStreamVolumes } from './stream-volumes.ts';

function stream(app: string, entries: number): StreamVolume {
  return { labels: [['app', app]], entries, lineBytes: 10 * entries };
}

test('a stream in several lists becomes one', () => {
  const lists = [[stream('a', 1), stream('b', 2)], [], [stream('b', 3)]];
  expect(atOnce(mergeStreamVolumes(lists))).toEqual([stream('a', 1), stream('b', 5)]);
});

test('buckets of volumes add up', () => {
  const volume = (bucket: number[], bytes: number[]) => ({ ...stream('a', 1), volume: { bucket, bytes } });
  expect(atOnce(mergeStreamVolumes([[volume([0, 2], [1, 2])], [volume([1, 2], [4, 8])]]))).toEqual([
    { ...stream('a', 2), volume: { bucket: [0, 1, 2], bytes: [1, 4, 10] } },
  ]);
});

test('values of a label unite', () => {
  const group = (...values: string[]) => ({
    labels: [['app', ''] as const],
    entries: 0,
    lineBytes: 0,
    values,
  });
  const many = Array.from({ length: 10_000 }, (_, i) => `value ${i}`);
  const [all] = atOnce(mergeStreamVolumes([[group('a', 'b')], [group('b', 'c')], [group(...many)]]));
  expect(all.values).toEqual(['a', 'b', 'c', ...many]);
});
