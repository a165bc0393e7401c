import { compareText } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { sortedByName } from './sorted-pairs.ts';

test('short and long lists have the order of a stable sort by UTF-8 bytes', () => {
  const names = ['b', '', 'é', 'a', '\uffee', 'ab', '😀', 'Z', 'a', '_'];
  for (let length = 0; length < 80; length++) {
    const pairs = Array.from({ length }, (_, i): LabelPair => {
      return [names[(i * 7 + length) % 10] + names[(i * i + length) % 10], `${i}`];
    });
    const expected = [...pairs].sort((a, b) => compareText(a[0], b[0]));
    expect(sortedByName([...pairs])).toEqual(expected);
  }
});
