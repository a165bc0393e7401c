/** Computes volumes of streams with structured metadata, in a worker. */
import { parseMatchers } from '@loki/logql';
import { emptyLeafStats } from '@loki/ports';
import type { CheckCancelled, StreamsRequest, StreamVolume, Task, WorkerEnv } from '@loki/ports';
import { columns } from '@loki/segment';
import type { BlockInfo, Section } from '@loki/segment';
import { neverCancelled } from '../common/cancel.ts';
import { MetadataSymbols } from '../common/metadata-symbols.ts';
import { compileCachedMatcher } from '../pipeline/string-match.ts';
import { addHeadVolumes } from './head-volumes.ts';
import type { HeadSource } from './head-volumes.ts';
import { LeafCache } from './leaf-cache.ts';
import { openSection } from './open-section.ts';
import type { LeafSource } from './open-section.ts';
import { ReadAhead } from './read-ahead.ts';
import type { RunMetadata } from './run-metadata.ts';
import type { SectionReader } from './section-reader.ts';
import { matchStreams } from './streams.ts';
import { VolumeGroups } from './volume-groups.ts';

interface VolumeTaskInput {
  readonly request: StreamsRequest;
  readonly sources: readonly LeafSource[];
}

/**
 * Most blocks of one stored segment whose metadata is read, where its index does not state the metadata bytes
 * of runs, as that of older versions; further blocks are assumed to be as dense. Volumes are estimates for
 * display, so a day of a large tenant is not read completely.
 */
const metadataBlocksMax = 64;

const metadataNeed = { mask: columns.metadata };

/**
 * Streams of the sources with their volumes, or groups of them. All rows of a stream in memory are one time
 * range, which is distributed over the buckets; in the store each run is one.
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
  const groups = new VolumeGroups(request);
  const heads: HeadSource[] = [];
  const numbers = new Map<string, number>();
  for (const source of sources) {
    checkCancelled();
    const reader = await openSection(source, request.tenant, env, { stats: emptyLeafStats() });
    if (!reader) continue;
    const mask = matchStreams(reader.section, selector, undefined);
    if (reader.isHead) {
      const streams = (source.kind === 'bytes' && source.streams) || streamsByText(reader.section, numbers);
      heads.push({ reader, mask, streams });
    } else {
      const { runMetadata } = LeafCache.of(env);
      await addStored(reader, mask, groups, { request, runMetadata, checkCancelled });
    }
  }
  await addHeadVolumes(heads, groups, request.startNs, checkCancelled);
  return groups.list();
}

/** For each run of a section the number of its stream, which is the same in all sections. */
function streamsByText({ blocks, streams }: Section, numbers: Map<string, number>): Int32Array {
  const ofStream = Array.from({ length: streams.count }, (_, stream) => {
    const text = streams.labels(stream).toString();
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  });
  return Int32Array.from(blocks.flatMap(({ runs }) => Array.from(runs.stream, (stream) => ofStream[stream])));
}

interface StoredVolumes {
  readonly request: StreamsRequest;
  readonly runMetadata: RunMetadata;
  readonly checkCancelled: CheckCancelled;
}

async function addStored(
  reader: SectionReader,
  mask: Uint8Array,
  groups: VolumeGroups,
  { request, runMetadata, checkCancelled }: StoredVolumes,
): Promise<void> {
  const { section } = reader;
  const clip = reader.clip && {
    start: Number(reader.clip.startNs - request.startNs),
    end: Number(reader.clip.endNs - request.startNs),
  };
  const blocks = section.blocks.filter((info) => isTouched(info, mask, request));
  const isUnstated = (info: BlockInfo) => info.metadataNames.length > 0 && !info.metadataBytes;
  const read = new Set(sampleOf(blocks.filter(isUnstated)));
  const groupsOf = groups.of(section);
  let readEntries = 0;
  let readBytes = 0;
  // Blocks that are read come first: the estimates of others rest on them.
  const order = [...read, ...blocks.filter((each) => !read.has(each))];
  const lacks = (info: BlockInfo) => read.has(info) && lacksRun(runMetadata.of(info), info, mask);
  const readAhead = new ReadAhead(
    order.map((info) => ({ reader, info })),
    { needOf: () => metadataNeed, isRead: ({ info }) => lacks(info) },
  );
  for (const [at, info] of order.entries()) {
    checkCancelled();
    readAhead.moveTo(at);
    const { runs } = info;
    const bytesOfRuns = info.metadataBytes ?? (read.has(info) ? runMetadata.of(info) : undefined);
    const block = lacks(info) ? await reader.load(info, metadataNeed) : undefined;
    // Trace ids hardly repeat: one object for all blocks would hold each of them.
    const symbols = new MetadataSymbols();
    const base = Number(info.baseNs - request.startNs);
    for (let run = 0; run < runs.count; run++) {
      const stream = runs.stream[run];
      if (mask[stream] === 0) continue;
      const entries = runs.firstRow[run + 1] - runs.firstRow[run];
      let metadataBytes = 0;
      if (bytesOfRuns) {
        if (Number.isNaN(bytesOfRuns[run])) {
          symbols.with(symbols.empty, block!, runs.firstRow[run], runs.firstRow[run + 1]);
          bytesOfRuns[run] = symbols.bytes;
        }
        metadataBytes = bytesOfRuns[run];
        readEntries += entries;
        readBytes += metadataBytes;
      } else if (info.metadataNames.length > 0 && readEntries > 0) {
        metadataBytes = Math.floor((readBytes / readEntries) * entries);
      }
      const unclipped = {
        minTs: base + runs.minTs[run],
        maxTs: base + runs.maxTs[run],
        entries,
        lineBytes: runs.lineBytes[run],
        metadataBytes,
      };
      const unit = clip ? clipped(unclipped, clip) : unclipped;
      if (unit) groups.add(groupsOf(stream), unit);
    }
    if (block) reader.release(info);
  }
}

/** Whether the metadata of a selected run was not counted yet. */
function lacksRun(bytesOfRuns: Float64Array, { runs }: BlockInfo, mask: Uint8Array): boolean {
  return bytesOfRuns.some((bytes, run) => Number.isNaN(bytes) && mask[runs.stream[run]] !== 0);
}

interface Volume {
  readonly minTs: number;
  readonly maxTs: number;
  readonly entries: number;
  readonly lineBytes: number;
  readonly metadataBytes: number;
}

/** The part of a run inside a clip, by its share of the run's time. */
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

/** Whether a run of a selected stream is in the range, at least partly. */
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

/** At most `metadataBlocksMax` of the blocks, evenly distributed. */
function sampleOf(blocks: readonly BlockInfo[]): readonly BlockInfo[] {
  if (blocks.length <= metadataBlocksMax) return blocks;
  return Array.from(
    { length: metadataBlocksMax },
    (_, i) => blocks[Math.floor((i * blocks.length) / metadataBlocksMax)],
  );
}
