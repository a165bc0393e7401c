import { parseMatchers } from '@loki/logql';
import type { Labels } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { CheckCancelled, StreamsRequest, StreamVolume, Task, WorkerEnv } from '@loki/ports';
import { columns } from '@loki/segment';
import type { BlockInfo } from '@loki/segment';
import { neverCancelled } from '../common/cancel.ts';
import { MetadataCounter } from '../common/metadata-counter.ts';
import { BucketGrid, bucketsOf } from '../merge/volume-buckets.ts';
import type { StreamTotal } from '../merge/volume-buckets.ts';
import { compileCachedMatcher } from '../pipeline/string-match.ts';
import { openSection } from './section-reader.ts';
import type { LeafSource, SectionReader } from './section-reader.ts';
import { matchStreams } from './streams.ts';

interface VolumeTaskInput {
  readonly request: StreamsRequest;
  readonly sources: readonly LeafSource[];
}

/**
 * Blocks of one stored segment whose metadata is read; of further ones it is taken to be as dense. Volumes
 * are for showing where the bytes are: a day of a large tenant must not be read for it.
 */
const metadataBlocksMax = 64;

const metadataNeed = { mask: columns.metadata };

/**
 * Streams of the sources with their volumes. All sources in memory together are one stretch of a stream,
 * shared out by time as a whole; in the store each run is one.
 */
export const volumeTask: Task<VolumeTaskInput, StreamVolume[]> = {
  name: 'engine.volume',
  run: runVolumeTask,
};

async function runVolumeTask(
  { request, sources }: VolumeTaskInput,
  env: WorkerEnv,
  checkCancelled: CheckCancelled = neverCancelled,
): Promise<StreamVolume[]> {
  const matchers = request.selector === '' ? [] : parseMatchers(request.selector);
  const selector = matchers.map(compileCachedMatcher);
  const volumes = new Volumes(request);
  const head = new Map<string, HeadUnit>();
  for (const source of sources) {
    checkCancelled();
    const reader = await openSection(source, request.tenant, env, emptyLeafStats());
    if (!reader) continue;
    const mask = matchStreams(reader.section, selector, undefined);
    if (reader.isHead) await addToHead(reader, mask, head, request.startNs);
    else await addStored(reader, mask, volumes, { request, checkCancelled });
  }
  for (const [text, unit] of head) {
    volumes.add(text, unit.labels, { ...unit, metadataBytes: unit.metadata.bytes });
  }
  return volumes.list();
}

/** Totals by stream. */
class Volumes {
  readonly #grid: BucketGrid;
  readonly #streams = new Map<string, StreamTotal & { readonly labels: Labels }>();

  constructor(request: StreamsRequest) {
    this.#grid = new BucketGrid(request);
  }

  add(text: string, labels: Labels, unit: Parameters<BucketGrid['add']>[0]): void {
    const known = this.#streams.get(text);
    const total = known ?? { labels, entries: 0, lineBytes: 0, bytes: new Map<number, number>() };
    if (this.#grid.add(unit, total) && !known) this.#streams.set(text, total);
  }

  list(): StreamVolume[] {
    return [...this.#streams.values()].map(({ labels, entries, lineBytes, bytes }) => ({
      labels: [...labels],
      entries,
      lineBytes,
      volume: bucketsOf(bytes),
    }));
  }
}

/** All that memory holds of one stream. */
interface HeadUnit {
  readonly labels: Labels;
  minTs: number;
  maxTs: number;
  entries: number;
  lineBytes: number;
  readonly metadata: MetadataCounter;
}

async function addToHead(
  reader: SectionReader,
  mask: Uint8Array,
  head: Map<string, HeadUnit>,
  startNs: bigint,
): Promise<void> {
  const { section } = reader;
  for (const info of section.blocks) {
    const { runs } = info;
    const base = Number(info.baseNs - startNs);
    for (let run = 0; run < runs.count; run++) {
      if (mask[runs.stream[run]] === 0) continue;
      const labels = section.streams.labels(runs.stream[run]);
      const text = labels.toString();
      let unit = head.get(text);
      if (!unit) {
        unit = {
          labels,
          minTs: Infinity,
          maxTs: -Infinity,
          entries: 0,
          lineBytes: 0,
          metadata: new MetadataCounter(),
        };
        head.set(text, unit);
      }
      unit.minTs = Math.min(unit.minTs, base + runs.minTs[run]);
      unit.maxTs = Math.max(unit.maxTs, base + runs.maxTs[run]);
      unit.entries += runs.firstRow[run + 1] - runs.firstRow[run];
      unit.lineBytes += runs.lineBytes[run];
      if (info.metadataNames.length === 0) continue;
      const block = await reader.load(info, metadataNeed);
      unit.metadata.addRows(block, runs.firstRow[run], runs.firstRow[run + 1]);
    }
    reader.release(info);
  }
}

async function addStored(
  reader: SectionReader,
  mask: Uint8Array,
  volumes: Volumes,
  { request, checkCancelled }: { readonly request: StreamsRequest; readonly checkCancelled: CheckCancelled },
): Promise<void> {
  const { section } = reader;
  const clip = reader.clip && {
    start: Number(reader.clip.startNs - request.startNs),
    end: Number(reader.clip.endNs - request.startNs),
  };
  const wanted = section.blocks.filter((info) => isTouched(info, mask, request));
  const read = new Set(sampleOf(wanted.filter((info) => info.metadataNames.length > 0)));
  const counter = new MetadataCounter();
  let readEntries = 0;
  let readBytes = 0;
  // Blocks that are read come first: the others are judged by them.
  for (const info of wanted
    .filter((each) => read.has(each))
    .concat(wanted.filter((each) => !read.has(each)))) {
    checkCancelled();
    const { runs } = info;
    const block = read.has(info) ? await reader.load(info, metadataNeed) : undefined;
    const base = Number(info.baseNs - request.startNs);
    for (let run = 0; run < runs.count; run++) {
      const stream = runs.stream[run];
      if (mask[stream] === 0) continue;
      const entries = runs.firstRow[run + 1] - runs.firstRow[run];
      let metadataBytes = 0;
      if (block) {
        counter.reset();
        counter.addRows(block, runs.firstRow[run], runs.firstRow[run + 1]);
        metadataBytes = counter.bytes;
        readEntries += entries;
        readBytes += metadataBytes;
      } else if (info.metadataNames.length > 0 && readEntries > 0) {
        metadataBytes = Math.floor((readBytes / readEntries) * entries);
      }
      const labels = section.streams.labels(stream);
      const whole = {
        minTs: base + runs.minTs[run],
        maxTs: base + runs.maxTs[run],
        entries,
        lineBytes: runs.lineBytes[run],
        metadataBytes,
      };
      const unit = clip ? clipped(whole, clip) : whole;
      if (unit) volumes.add(labels.toString(), labels, unit);
    }
    if (block) reader.release(info);
  }
}

interface Volume {
  readonly minTs: number;
  readonly maxTs: number;
  readonly entries: number;
  readonly lineBytes: number;
  readonly metadataBytes: number;
}

/** The part of a run inside of a clip, by its share of the run's time. */
function clipped(unit: Volume, clip: { start: number; end: number }): Volume | undefined {
  const minTs = Math.max(unit.minTs, clip.start);
  const maxTs = Math.min(unit.maxTs, clip.end - 1);
  if (minTs > maxTs) return undefined;
  const share = (maxTs - minTs + 1) / (unit.maxTs - unit.minTs + 1);
  return {
    minTs,
    maxTs,
    entries: Math.round(unit.entries * share),
    lineBytes: Math.round(unit.lineBytes * share),
    metadataBytes: Math.round(unit.metadataBytes * share),
  };
}

/** Whether a run of a selected stream lies in the range, at least in part. */
function isTouched(info: BlockInfo, mask: Uint8Array, request: StreamsRequest): boolean {
  const start = Number(request.startNs - info.baseNs);
  const end = Number(request.endNs - info.baseNs);
  if (info.maxTs < start || info.minTs >= end) return false;
  const { runs } = info;
  for (let run = 0; run < runs.count; run++) {
    if (mask[runs.stream[run]] !== 0 && runs.maxTs[run] >= start && runs.minTs[run] < end) return true;
  }
  return false;
}

/** At most `metadataBlocksMax` of the blocks, evenly spread. */
function sampleOf(blocks: readonly BlockInfo[]): readonly BlockInfo[] {
  if (blocks.length <= metadataBlocksMax) return blocks;
  return Array.from(
    { length: metadataBlocksMax },
    (_, i) => blocks[Math.floor((i * blocks.length) / metadataBlocksMax)],
  );
}
