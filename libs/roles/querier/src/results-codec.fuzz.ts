/** Results from caches, which others may write to. */
import { atOnce } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafResult } from '@loki/ports';
import type { FuzzTarget } from '@loki/test-tools';
import { decodeSamples, decodeStreams, encodeSamples, encodeStreams } from './results-codec.ts';

const sampleResult: SampleLeafResult = {
  kind: 'samples',
  steps: 3,
  series: [
    { labels: [['app', 'a']], columns: [Float64Array.of(1, 2, 3), Float64Array.of(0.5, -0, Number.NaN)] },
    {
      labels: [],
      columns: [],
      samples: { times: Float64Array.of(1000, 2000), values: Float64Array.of(7, 8) },
    },
  ],
  stats: emptyLeafStats(),
};
const samples = atOnce(encodeSamples(sampleResult, Infinity))!;
const streamLists = [
  [{ labels: [['app', 'a'] as const], entries: 3, lineBytes: 4, volume: { bucket: [0, 2], bytes: [1, 2] } }],
  [],
];
const streams = atOnce(encodeStreams(streamLists, Infinity))!;

export const targets: readonly FuzzTarget[] = [
  {
    name: 'kept-samples',
    shape: 'bytes',
    corpus: () => [samples],
    isRefusal: () => false,
    run: (input) => {
      const result = atOnce(decodeSamples(input, 3));
      for (const { columns, samples: list } of result?.series ?? []) {
        if (columns.some((column) => column.length !== 3)) throw new TypeError('a column of other steps');
        if (list && list.times.length !== list.values.length) throw new TypeError('times without values');
      }
      return result ? result.series.length : 'no result';
    },
  },
  {
    name: 'kept-streams',
    shape: 'bytes',
    corpus: () => [streams],
    isRefusal: () => false,
    run: (input) => atOnce(decodeStreams(input, 2))?.length ?? 'no result',
  },
];
