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

test('lines and metadata in memory are the share of ingesters', () => {
  const timing = { execSeconds: 2, queueSeconds: 0, splits: 0, shards: 1, entriesReturned: 3 };
  const head = { headLines: 4, headLineBytes: 400, headLinesMatched: 1, headMetadataBytes: 32 };
  const leaf = {
    ...emptyLeafStats(),
    linesProcessed: 10,
    linesMatched: 3,
    lineBytes: 1000,
    metadataBytes: 80,
    ...head,
  };
  expect(lokiStats(leaf, { ...timing, cache: 'result' })).toMatchObject({
    summary: { totalPostFilterLines: 3, totalStructuredMetadataBytesProcessed: 80 },
    querier: {
      store: {
        chunk: {
          decompressedLines: 6,
          decompressedBytes: 600,
          postFilterLines: 2,
          decompressedStructuredMetadataBytes: 48,
          headChunkStructuredMetadataBytes: 0,
        },
      },
    },
    ingester: {
      store: {
        chunk: {
          headChunkLines: 4,
          headChunkBytes: 400,
          postFilterLines: 1,
          headChunkStructuredMetadataBytes: 32,
          decompressedStructuredMetadataBytes: 0,
        },
      },
    },
  });
});
