/** Protects what Grafana's inspector shows: entries of each kind of answer, metadata among the bytes. */
import type { QueryResult } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import { logResult } from '../test/gateway.ts';
import { entriesOf, lokiStats } from './stats.ts';

const sample = { labels: [], value: 1 };
const series = { labels: [], values: new Float64Array(3), present: new Uint8Array(3) };

test.each<[QueryResult, number]>([
  [{ type: 'vector', timeNs: 0n, samples: [sample, sample, sample] } as QueryResult, 3],
  [{ type: 'matrix', startNs: 0n, stepNs: 1n, steps: 3, series: [series, series] } as QueryResult, 2],
  [{ type: 'scalar', timeNs: 0n, value: 1 }, 1],
  [{ type: 'streams', rows: logResult([{ ts: 1n, line: 'x', stream: {} }]) } as QueryResult, 1],
])('%j has %d entries', (result, entries) => {
  expect(entriesOf(result)).toBe(entries);
});

test('bytes are those of lines and of metadata', () => {
  const leaf = { ...emptyLeafStats(), lineBytes: 1000, metadataBytes: 80, linesProcessed: 10 };
  const timing = { execSeconds: 2, queueSeconds: 0, splits: 0, shards: 1, entriesReturned: 3 };
  expect(lokiStats(leaf, { ...timing, cache: 'result' })).toMatchObject({
    summary: {
      totalBytesProcessed: 1080,
      totalStructuredMetadataBytesProcessed: 80,
      bytesProcessedPerSecond: 540,
      totalEntriesReturned: 3,
    },
  });
});
