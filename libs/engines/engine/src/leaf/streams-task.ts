/** Lists the streams of a stored segment in a worker: series, labels and volumes. */
import { parseMatchers } from '@loki/logql';
import type { LabelPair, TenantId } from '@loki/model';
import type { StreamsRequest, StreamVolume, Task } from '@loki/ports';
import type { BlockInfo, LabelIndex, Section } from '@loki/segment';
import type { Work } from '../common/sliced-work.ts';
import { openStored } from './open-section.ts';
import type { Clip } from './section-reader.ts';
import { labelGroups } from './stream-groups.ts';
import { matchingStreams } from './streams.ts';

interface StreamsTaskInput {
  readonly request: StreamsRequest;
  readonly key: string;
  /** Only rows with startNs <= ts < endNs count; another source has the others. */
  readonly clip?: Clip;
}

/** Streams as columns, the form in which a worker returns them: each text once. */
interface PackedStreams {
  /** The names of the streams' labels, and the values of each. */
  readonly names: readonly string[];
  readonly values: readonly (readonly string[])[];
  /** The labels of stream s are at starts[s] .. starts[s+1]: indexes of name and value. */
  readonly starts: Uint32Array;
  readonly name: Uint32Array;
  readonly value: Uint32Array;
  readonly entries: Float64Array;
  readonly lineBytes: Float64Array;
}

/** Reads the footer of one stored segment and answers from its stream table and block table. */
export const streamsTask: Task<StreamsTaskInput, PackedStreams | StreamVolume[]> = {
  name: 'engine.streams',
  async run({ request, key, clip }, env) {
    const segment = await openStored(key, env);
    const section = segment.section(request.tenant as TenantId);
    if (!section) return [];
    return sectionVolumes(section, clip ? { ...request, ...intersect(request, clip) } : request);
  },
};

/** Streams between two pauses of the unpacking. */
const streamsPerSlice = 1024;

/** Unpacks the streams; label arrays that streams share are one object. */
export function* unpackStreams(
  packed: PackedStreams | readonly StreamVolume[],
): Work<readonly StreamVolume[]> {
  if (!('starts' in packed)) return packed;
  const { names, values, starts, name, value, entries, lineBytes } = packed;
  const pairs: (LabelPair | undefined)[][] = values.map(() => []);
  const streams: StreamVolume[] = [];
  for (let stream = 0; stream < entries.length; stream++) {
    const labels: LabelPair[] = [];
    for (let i = starts[stream]; i < starts[stream + 1]; i++) {
      const at = name[i];
      labels.push((pairs[at][value[i]] ??= [names[at], values[at][value[i]]]));
    }
    streams.push({ labels, entries: entries[stream], lineBytes: lineBytes[stream] });
    if (stream % streamsPerSlice === streamsPerSlice - 1) yield;
  }
  return streams;
}

function intersect(a: Clip, b: Clip): Clip {
  return {
    startNs: a.startNs > b.startNs ? a.startNs : b.startNs,
    endNs: a.endNs < b.endNs ? a.endNs : b.endNs,
  };
}

/**
 * The section's streams that match and have entries in the range, with the volume that falls into it; or the
 * names and values of their labels, from the dictionaries alone if all streams match.
 */
function sectionVolumes(section: Section, request: StreamsRequest): PackedStreams | StreamVolume[] {
  const { group } = request;
  const matchers = request.selector === '' ? [] : parseMatchers(request.selector);
  const isWhole = section.minNs >= request.startNs && section.maxNs < request.endNs;
  if (group?.by === 'name' && isWhole && matchers.length === 0) return labelGroups(section.labelIndex, group);
  const streams = matchingStreams(section, matchers, request.startNs, request.endNs);
  if (group?.by === 'name') return labelGroups(section.labelIndex, group, streams);
  const entries = new Float64Array(streams.length);
  const lineBytes = new Float64Array(streams.length);
  if (isWhole) {
    streams.forEach((stream, at) => {
      entries[at] = section.streams.entries(stream);
      lineBytes[at] = section.streams.lineBytes(stream);
    });
  } else {
    const places = new Int32Array(section.streams.count).fill(-1);
    streams.forEach((stream, at) => (places[stream] = at));
    for (const block of section.blocks) addBlockShares(block, request, { places, entries, lineBytes });
  }
  return { ...packLabels(section.labelIndex, streams), entries, lineBytes };
}

/** The labels of some streams of a section, with only their values. */
function packLabels(index: LabelIndex, streams: Uint32Array) {
  const cells = index.cells();
  const starts = new Uint32Array(streams.length + 1);
  streams.forEach((stream, at) => {
    starts[at + 1] = starts[at] + cells.starts[stream + 1] - cells.starts[stream];
  });
  const name = new Uint32Array(starts[streams.length]);
  const value = new Uint32Array(name.length);
  const values: string[][] = index.names.map(() => []);
  /** By column and code: the index in `values`, plus one. */
  const places: (Uint32Array | undefined)[] = [];
  let to = 0;
  for (const stream of streams) {
    for (let cell = cells.starts[stream]; cell < cells.starts[stream + 1]; cell++, to++) {
      const at = cells.column[cell];
      const code = cells.code[cell];
      const texts = index.values(index.names[at]);
      const ofColumn = (places[at] ??= new Uint32Array(texts.length + 1));
      if (ofColumn[code] === 0) ofColumn[code] = values[at].push(texts[code - 1]);
      name[to] = at;
      value[to] = ofColumn[code] - 1;
    }
  }
  return { names: index.names, values, starts, name, value };
}

interface Shares {
  /** By stream: its index in the columns, or -1. */
  readonly places: Int32Array;
  readonly entries: Float64Array;
  readonly lineBytes: Float64Array;
}

/**
 * Adds the shares of runs in the range. A run that is partly in the range counts by the share of its time, so
 * no column is read.
 */
function addBlockShares(
  block: BlockInfo,
  range: { startNs: bigint; endNs: bigint },
  { places, entries, lineBytes }: Shares,
): void {
  const start = Number(range.startNs - block.baseNs);
  const end = Number(range.endNs - block.baseNs);
  if (block.maxTs < start || block.minTs >= end) return;
  const { runs } = block;
  for (let r = 0; r < runs.count; r++) {
    const at = places[runs.stream[r]];
    if (at < 0 || runs.maxTs[r] < start || runs.minTs[r] >= end) continue;
    const span = runs.maxTs[r] - runs.minTs[r] + 1;
    const inside = Math.min(runs.maxTs[r] + 1, end) - Math.max(runs.minTs[r], start);
    const share = inside / span;
    entries[at] += (runs.firstRow[r + 1] - runs.firstRow[r]) * share;
    lineBytes[at] += runs.lineBytes[r] * share;
  }
}
