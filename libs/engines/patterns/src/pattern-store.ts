/** Patterns and their counts of the last hours, in bounded memory: the answer of `/patterns`. */
import { Labels } from '@loki/model';
import type { PatternSeries } from '@loki/ports';
import { Drain } from './drain.ts';
import type { RecordSummary, StreamSummary } from './summarize.ts';
import { bucketSeconds } from './time-counts.ts';
import { joinTokens } from './tokens.ts';

/** Counts are retained for this long before the newest line of their stream. */
export const retainSeconds = 3 * 3600;
const retainBuckets = retainSeconds / bucketSeconds;
/** A stream's old counts are removed each time its newest line has advanced by this many buckets. */
const pruneEveryBuckets = 60;

/** Most patterns of one stream and level, far more than a person would read. */
const clustersPerLevelMax = 300;
/** Most levels of one stream; clients choose the label's values. */
const levelsMax = 16;
/** Most patterns of one answer (the most frequent ones), and most patterns that are merged for it. */
const answerPatternsMax = 300;
const mergedClustersMax = 5000;

const bytesPerCount = 32;
const bytesPerStream = 800;

interface PatternStoreOptions {
  /** Memory bound of patterns; above it the streams without lines for the longest time are dropped. */
  readonly bytesMax: number;
}

export interface PatternSelection {
  readonly tenant: string;
  matches(labels: Labels): boolean;
  /** Unix seconds; start <= t < end. */
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** A multiple of 10 s. */
  readonly stepSeconds: number;
}

interface StreamPatterns {
  readonly tenant: string;
  readonly labels: Labels;
  readonly levels: Map<string, Drain>;
  newestBucket: number;
  prunedBucket: number;
  bytes: number;
}

/** Patterns of all tenants, in bounded memory. */
export class PatternStore {
  readonly #bytesMax: number;
  /** By tenant and labels, in the order of their latest lines. */
  readonly #streams = new Map<string, StreamPatterns>();
  #bytes = 0;

  constructor(options: PatternStoreOptions) {
    this.#bytesMax = options.bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Adds the patterns of a record. @returns patterns that are new, by tenant */
  add(summary: RecordSummary): Map<string, number> {
    const detected = new Map<string, number>();
    for (const each of summary.streams) {
      const stream = this.#stream(each);
      const fresh = train(stream, each);
      detected.set(each.tenant, (detected.get(each.tenant) ?? 0) + fresh);
      if (stream.newestBucket - stream.prunedBucket >= pruneEveryBuckets) prune(stream);
      this.#bytes -= stream.bytes;
      stream.bytes = weigh(stream);
      this.#bytes += stream.bytes;
    }
    for (const [key, stream] of this.#streams) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#streams.delete(key);
      this.#bytes -= stream.bytes;
    }
    return detected;
  }

  /** The most frequent patterns of the selected streams, equal patterns of several streams are merged. */
  query(selection: PatternSelection): PatternSeries[] {
    const levels = new Map<string, Drain>();
    const endBucket = Math.ceil(selection.endSeconds / bucketSeconds);
    const startBucket = Math.floor(selection.startSeconds / bucketSeconds);
    const step = selection.stepSeconds / bucketSeconds;
    for (const stream of this.#streams.values()) {
      if (stream.tenant !== selection.tenant || !selection.matches(stream.labels)) continue;
      for (const [level, drain] of stream.levels) {
        for (const { words, separators, kinds, counts } of drain.clusters) {
          const first = lowerBound(counts.buckets, startBucket);
          const end = lowerBound(counts.buckets, endBucket);
          if (first === end) continue;
          let merged = levels.get(level);
          if (!merged) levels.set(level, (merged = new Drain({ clustersMax: mergedClustersMax })));
          const into = merged.train({ words, separators }, kinds).counts;
          for (let i = first; i < end; i++) {
            into.add(Math.floor(counts.buckets[i] / step) * step, counts.counts[i]);
          }
        }
      }
    }
    const all = [...levels].flatMap(([level, drain]) =>
      [...drain.clusters].map((cluster) => ({ level, cluster, total: cluster.counts.total })),
    );
    all.sort((a, b) => b.total - a.total);
    return all.slice(0, answerPatternsMax).map(({ level, cluster }) => ({
      pattern: joinTokens(cluster),
      level,
      samples: cluster.counts.buckets.map((bucket, i): [number, number] => [
        bucket * bucketSeconds,
        cluster.counts.counts[i],
      ]),
    }));
  }

  /** The stream's patterns. Moves the stream to the end of the order in which streams are dropped. */
  #stream({ tenant, names, values }: StreamSummary): StreamPatterns {
    const labels = Labels.fromPairs(names.map((name, i) => [name, values[i]]));
    const key = `${tenant}\u0000${labels.toString()}`;
    let stream = this.#streams.get(key);
    if (stream) this.#streams.delete(key);
    else {
      stream = {
        tenant,
        labels,
        levels: new Map(),
        newestBucket: -Infinity,
        prunedBucket: -Infinity,
        bytes: 0,
      };
    }
    this.#streams.set(key, stream);
    return stream;
  }
}

function train(stream: StreamPatterns, summary: StreamSummary): number {
  let drain = stream.levels.get(summary.level);
  if (!drain) {
    if (stream.levels.size >= levelsMax) return 0;
    stream.levels.set(summary.level, (drain = new Drain({ clustersMax: clustersPerLevelMax })));
  }
  let fresh = 0;
  for (const { words, separators, kinds, buckets, counts } of summary.patterns) {
    const cluster = drain.train({ words, separators }, kinds);
    if (cluster.counts.buckets.length === 0) fresh++;
    cluster.counts.addAll({ buckets, counts });
    stream.newestBucket = Math.max(stream.newestBucket, cluster.counts.newest);
  }
  if (stream.prunedBucket === -Infinity) stream.prunedBucket = stream.newestBucket;
  return fresh;
}

function prune(stream: StreamPatterns): void {
  const oldest = stream.newestBucket - retainBuckets;
  stream.prunedBucket = stream.newestBucket;
  for (const [level, drain] of stream.levels) {
    for (const cluster of drain.clusters) {
      cluster.counts.dropBelow(oldest);
      if (cluster.counts.buckets.length === 0) drain.remove(cluster);
    }
    if (drain.clusters.size === 0) stream.levels.delete(level);
  }
}

function weigh(stream: StreamPatterns): number {
  let bytes = bytesPerStream;
  for (const drain of stream.levels.values()) {
    bytes += drain.bytes;
    for (const { counts } of drain.clusters) bytes += counts.buckets.length * bytesPerCount;
  }
  return bytes;
}

/** Index of the first of the ascending numbers that is not below `least`. */
function lowerBound(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
