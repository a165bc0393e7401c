import { parseMatchers } from '@loki/logql';
import type { TenantId } from '@loki/model';
import type { StreamsRequest, StreamVolume, Task } from '@loki/ports';
import type { BlockInfo, Section } from '@loki/segment';
import { openStored } from './section-reader.ts';
import type { Clip } from './section-reader.ts';
import { labelGroups } from './stream-groups.ts';
import { matchingStreams } from './streams.ts';

interface StreamsTaskInput {
  readonly request: StreamsRequest;
  readonly key: string;
  /** Only rows with startNs <= ts < endNs count: the others are read from elsewhere. */
  readonly clip?: Clip;
}

/** Reads the footer of one stored segment and answers from its stream table and block table. */
export const streamsTask: Task<StreamsTaskInput, StreamVolume[]> = {
  name: 'engine.streams',
  async run({ request, key, clip }, env) {
    const segment = await openStored(key, env);
    const section = segment.section(request.tenant as TenantId);
    return section
      ? sectionVolumes(section, clip ? { ...request, ...intersect(request, clip) } : request)
      : [];
  },
};

function intersect(a: Clip, b: Clip): Clip {
  return {
    startNs: a.startNs > b.startNs ? a.startNs : b.startNs,
    endNs: a.endNs < b.endNs ? a.endNs : b.endNs,
  };
}

/**
 * The section's streams that match and have entries in the range, with the volume that falls into it; or the
 * names and values of their labels, for which no stream is looked at where all are meant.
 */
function sectionVolumes(section: Section, request: StreamsRequest): StreamVolume[] {
  const { group } = request;
  const matchers = request.selector === '' ? [] : parseMatchers(request.selector);
  const isWhole = section.minNs >= request.startNs && section.maxNs < request.endNs;
  if (group?.by === 'name' && isWhole && matchers.length === 0) return labelGroups(section.labelIndex, group);
  const streams = matchingStreams(section, matchers, request.startNs, request.endNs);
  if (group?.by === 'name') return labelGroups(section.labelIndex, group, streams);
  const volumes = new Map<number, { entries: number; lineBytes: number }>();
  for (const stream of streams) {
    volumes.set(
      stream,
      isWhole
        ? { entries: section.streams.entries(stream), lineBytes: section.streams.lineBytes(stream) }
        : { entries: 0, lineBytes: 0 },
    );
  }
  if (!isWhole) for (const block of section.blocks) addBlockShares(block, request, volumes);
  return [...volumes].map(([stream, volume]) => ({ labels: [...section.streams.labels(stream)], ...volume }));
}

/**
 * A run that lies partly in the range counts by the share of its time that does: no column is read for this.
 */
function addBlockShares(
  block: BlockInfo,
  range: { startNs: bigint; endNs: bigint },
  volumes: Map<number, { entries: number; lineBytes: number }>,
): void {
  const start = Number(range.startNs - block.baseNs);
  const end = Number(range.endNs - block.baseNs);
  if (block.maxTs < start || block.minTs >= end) return;
  const { runs } = block;
  for (let r = 0; r < runs.count; r++) {
    const volume = volumes.get(runs.stream[r]);
    if (!volume || runs.maxTs[r] < start || runs.minTs[r] >= end) continue;
    const span = runs.maxTs[r] - runs.minTs[r] + 1;
    const inside = Math.min(runs.maxTs[r] + 1, end) - Math.max(runs.minTs[r], start);
    const share = inside / span;
    volume.entries += (runs.firstRow[r + 1] - runs.firstRow[r]) * share;
    volume.lineBytes += runs.lineBytes[r] * share;
  }
}
