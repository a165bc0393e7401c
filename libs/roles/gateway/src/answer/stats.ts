/** `data.stats` of an answer in Loki's shape: step *respond* of a query. */
import type { QueryResult } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import type { LeafStats } from '@loki/ports';

/** The cost of a query as a whole, beside the sums of its leaves. */
interface QueryTiming {
  readonly execSeconds: number;
  readonly queueSeconds: number;
  readonly splits: number;
  readonly shards: number;
  readonly entriesReturned: number;
  /** The cache that answers of leaves may come from. */
  readonly cache: CacheName;
}

/** Lines, series or samples of an answer. */
export function entriesOf(result: QueryResult): number {
  switch (result.type) {
    case 'streams':
      return result.rows.labelSet.length;
    case 'matrix':
      return result.series.length;
    case 'vector':
      return result.samples.length;
    case 'scalar':
      return 1;
  }
}

/** Loki's name for the cache that an answer's leaves use. */
export function cacheNameOf(result: QueryResult): CacheName {
  if (result.type === 'streams') return 'logResult';
  return result.type === 'matrix' ? 'result' : 'instantMetricResult';
}

type CacheName = (typeof cacheNames)[number];

const cacheNames = [
  'chunk',
  'index',
  'result',
  'statsResult',
  'volumeResult',
  'seriesResult',
  'labelResult',
  'instantMetricResult',
  'logResult',
  'taskResult',
] as const;

/**
 * `data.stats` of a query answer in Loki's shape, with every member, as Loki sends it. Grafana's inspector
 * reads it.
 */
export function lokiStats(leaf: LeafStats, timing: QueryTiming): object {
  const { execSeconds } = timing;
  const metadataBytes = leaf.metadataBytes;
  const bytes = leaf.lineBytes + metadataBytes;
  const storeSummary = storeStats({ ...leaf, linesProcessed: leaf.linesProcessed - leaf.headLines }, false);
  const head = storeStats(leaf, true);
  return {
    summary: {
      bytesProcessedPerSecond: execSeconds > 0 ? Math.round(bytes / execSeconds) : 0,
      linesProcessedPerSecond: execSeconds > 0 ? Math.round(leaf.linesProcessed / execSeconds) : 0,
      totalBytesProcessed: bytes,
      totalLinesProcessed: leaf.linesProcessed,
      execTime: execSeconds,
      queueTime: timing.queueSeconds,
      subqueries: 0,
      totalEntriesReturned: timing.entriesReturned,
      splits: timing.splits,
      shards: timing.shards,
      totalPostFilterLines: leaf.linesMatched,
      totalStructuredMetadataBytesProcessed: metadataBytes,
    },
    querier: { store: storeSummary, querierExecTime: execSeconds },
    ingester: {
      totalReached: 1,
      totalChunksMatched: 0,
      totalBatches: 0,
      totalLinesSent: 0,
      store: head,
    },
    cache: Object.fromEntries(
      cacheNames.map((name) => [name, cacheStats(name === timing.cache ? leaf : emptyLeafStats())]),
    ),
    index: {
      totalChunks: leaf.blocksMatched + leaf.blocksSkipped,
      postFilterChunks: leaf.blocksMatched,
      shardsDuration: 0,
      usedBloomFilters: leaf.blocksRuledOut > 0,
      totalStreams: 0,
      chunkRefsLookupTime: 0,
      bloomFilterTime: 0,
    },
  };
}

/** A chunk, in Loki's sense, is a block of ours. */
function storeStats(leaf: LeafStats, isHead: boolean): object {
  return {
    totalChunksRef: isHead ? 0 : leaf.blocksMatched + leaf.blocksSkipped,
    totalChunksDownloaded: isHead ? 0 : leaf.blocksMatched,
    chunksDownloadTime: isHead ? 0 : Math.round(leaf.fetchMs * 1e6),
    queryReferencedStructuredMetadata: false,
    queryUsedV2Engine: false,
    chunk: {
      headChunkBytes: isHead ? leaf.headLineBytes : 0,
      headChunkLines: isHead ? leaf.headLines : 0,
      decompressedBytes: isHead ? 0 : leaf.lineBytes - leaf.headLineBytes,
      decompressedLines: isHead ? 0 : leaf.linesProcessed,
      compressedBytes: isHead ? 0 : leaf.compressedBytes,
      totalDuplicates: 0,
      postFilterLines: isHead ? leaf.headLinesMatched : leaf.linesMatched - leaf.headLinesMatched,
      headChunkStructuredMetadataBytes: isHead ? leaf.headMetadataBytes : 0,
      decompressedStructuredMetadataBytes: isHead ? 0 : leaf.metadataBytes - leaf.headMetadataBytes,
    },
    chunkRefsFetchTime: 0,
    congestionControlLatency: 0,
    pipelineWrapperFilteredLines: 0,
    dataobj: {
      prePredicateDecompressedRows: 0,
      prePredicateDecompressedBytes: 0,
      prePredicateDecompressedStructuredMetadataBytes: 0,
      postPredicateRows: 0,
      postPredicateDecompressedBytes: 0,
      postPredicateStructuredMetadataBytes: 0,
      postFilterRows: 0,
      pagesScanned: 0,
      pagesDownloaded: 0,
      pagesDownloadedBytes: 0,
      pageBatches: 0,
      totalRowsAvailable: 0,
      totalPageDownloadTime: 0,
      wireBytesTransferred: 0,
    },
  };
}

function cacheStats(leaf: LeafStats): object {
  return {
    entriesFound: leaf.cacheEntriesFound,
    entriesRequested: leaf.cacheEntriesRequested,
    entriesStored: leaf.cacheEntriesStored,
    bytesReceived: leaf.cacheBytesReceived,
    bytesSent: leaf.cacheBytesSent,
    requests: leaf.cacheRequests,
    downloadTime: Math.round(leaf.cacheMs * 1e6),
    queryLengthServed: Math.round(leaf.cacheServedNs),
  };
}
